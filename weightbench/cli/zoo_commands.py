"""The commands `weightbench zoo ...`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from weightbench.cli import options
from weightbench.cli.options import HELP, Address, Device, Engine, Jobs, Json, Memory

zoo_app = typer.Typer(context_settings=HELP, no_args_is_help=True, help="List, build, get, publish and verify zoos.")

Name = Annotated[str, typer.Argument(help="A zoo of the catalogue, or the TOML file of your own.")]
SourceDir = Annotated[Path | None, typer.Option(help="Folder with the raw data sets, instead of the internet.")]
NameOrPath = Annotated[str, typer.Argument(help="A zoo's name, or the path of a zoo folder.")]


@zoo_app.command("list")
def zoo_list(as_json: Json = False) -> None:
    """The standard zoos, and which are on this machine."""
    from weightbench.zoo.recipes.catalogue import catalogue, is_built
    from weightbench.zoo.recipes.raw_data import SOURCES

    rows: list[dict[str, Any]] = []
    for entry in catalogue():
        sizes = sorted({arch.num_params for arch in entry.recipe.architectures.values()})
        row = {
            "name": entry.name,
            "version": entry.version,
            "networks": entry.networks,
            "params": sizes,
            "megabytes": entry.megabytes,
            "build_minutes": entry.build_minutes,
            "here": is_built(entry),
            "published": entry.manifest_sha256 is not None,
        }
        if as_json:
            row |= {
                "description": entry.description,
                "architectures": {key: str(arch) for key, arch in entry.recipe.architectures.items()},
                "sources": entry.sources,
                "licenses": {name: SOURCES[name].license for name in entry.sources},
                "splits": entry.splits,
                "manifest_sha256": entry.manifest_sha256,
                "mirrors": [mirror.model_dump() for mirror in entry.mirrors],
                "recipe": entry.recipe_dict(),
            }
        else:
            row["params"] = str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]}-{sizes[-1]}"
            row["MB"] = row.pop("megabytes")
            del row["build_minutes"]
            row["cpu min"], row["gpu min"] = (entry.build_minutes.get(device) for device in ("cpu", "cuda"))
            row["here"], row["hub"] = row.pop("here"), row.pop("published")
            del row["version"]
        rows.append(row)
    options.print_rows(rows, as_json)


@zoo_app.command("info")
def zoo_info(
    name: NameOrPath,
    sheet: Annotated[bool, typer.Option("--datasheet", help="Print the datasheet, as Markdown.")] = False,
    as_json: Json = False,
) -> None:
    """What a zoo holds and how it was made; for one that is not on this machine, its catalogue entry."""
    from weightbench.zoo.recipes.catalogue import catalogue_entry, facts_of, locate, zoo_names
    from weightbench.zoo.recipes.raw_data import SOURCES
    from weightbench.zoo.storage.datasheet import ZooFacts, datasheet_markdown
    from weightbench.zoo.storage.manifest import MANIFEST

    folder = locate(name)
    if not (folder / MANIFEST).exists() and name.partition("@")[0] in zoo_names():
        entry = catalogue_entry(name.partition("@")[0])
        title = f"{entry.name}@{entry.version}: {entry.networks:,} networks, not on this machine\n{entry.description}"
        content = entry.model_dump(mode="json", exclude_none=True)
        content["licenses"] = {source: SOURCES[source].license for source in entry.sources}
        facts, shown = facts_of(entry), ("sources", "licenses", "splits", "recipe")
    else:
        from weightbench.zoo.storage.zoo import open_zoo

        zoo = open_zoo(folder)
        title = f"{zoo}\n{zoo.manifest.description}\n{zoo.folder}"
        content = zoo.manifest.model_dump(mode="json", by_alias=True)
        facts, shown = ZooFacts.of(zoo.manifest), ("recipe", "quality", "dropped", "build")
    if sheet:
        print(datasheet_markdown(facts))
        return
    if as_json:
        print(json.dumps(content, indent=1))
        return
    print(f"{title}\n")
    for key, arch in facts.architectures.items():
        print(f"{key}: {arch}, {arch.num_params:,} parameters")
    for heading in shown:
        print(f"\n{heading}")
        for key, value in content[heading].items():
            print(f"  {key}: {value}")


@zoo_app.command("build")
def zoo_build(
    name: Name,
    limit: Annotated[int | None, typer.Option(help="Keep that many source items over all splits.")] = None,
    out: Annotated[Path | None, typer.Option(help="The zoo's folder.  [default: in the cache]")] = None,
    device: Device = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of the initialisations.  [default: the recipe's]")] = None,
    source_dir: SourceDir = None,
    jobs: Jobs = None,
    executor: Engine = "local",
    address: Address = None,
    memory: Memory = None,
) -> None:
    """Train a standard zoo. Interrupted builds go on where they stopped."""
    options.tune()
    from weightbench.zoo.build.build_zoo import build_zoo

    zoo = build_zoo(
        name,
        limit=limit,
        out=out,
        device=device,
        seed=seed,
        source_dir=source_dir,
        executor=executor,  # type: ignore[arg-type]  # checked there
        jobs=jobs,
        address=address,
        memory=memory,
    )
    quality = ", ".join(f"{key} {value}" for key, value in zoo.manifest.quality.items())
    print(f"{zoo}: {quality}\n{zoo.folder}")


@zoo_app.command("get")
def zoo_get(
    name: Annotated[str, typer.Argument(metavar="NAME[@VERSION]", help="The zoo, for instance digits-inrs@1.0.0.")],
    repo_id: Annotated[
        str | None, typer.Option(metavar="ORG/NAME", help="Where it is published.  [default: the catalogue's mirrors]")
    ] = None,
    revision: Annotated[str | None, typer.Option(help="A commit of it.  [default: the version's tag]")] = None,
    out: Annotated[Path | None, typer.Option(help="The zoo's folder.  [default: in the cache]")] = None,
) -> None:
    """Download a published zoo, every file verified; mend a damaged one. One that is nowhere published is built."""
    options.tune()
    from weightbench.zoo.exchange.download import get_zoo
    from weightbench.zoo.storage.origin import read_origin

    zoo = get_zoo(name, repo_id=repo_id, revision=revision, out=out)
    origin = read_origin(zoo.folder)
    source = f"from {origin.repository} at {origin.revision}" if origin else "built here"
    print(f"{zoo}, verified, {source}\n{zoo.folder}")


@zoo_app.command("push")
def zoo_push(
    name: NameOrPath,
    repo_id: Annotated[
        str, typer.Option(metavar="ORG/NAME", help="The data set repository, made where it is missing.")
    ],
    private: Annotated[bool, typer.Option("--private", help="Make a new repository private.")] = False,
) -> None:
    """Publish a zoo on the Hugging Face Hub as a tagged version, and print the lines that pin it in the catalogue."""
    from weightbench.zoo.exchange.publish import push_zoo
    from weightbench.zoo.recipes.catalogue import catalogue_entry, locate, zoo_names
    from weightbench.zoo.storage.zoo import open_zoo

    zoo = open_zoo(locate(name), always_hash=True)
    done = push_zoo(zoo, repo_id, private=private)
    state = "published" if done.fresh else "was published already, nothing changed"
    print(f"{zoo}: {state}\n{done.repository.url}/tree/{done.tag}, commit {done.revision}")
    if zoo.name in zoo_names() and zoo.version == catalogue_entry(zoo.name).version:
        print(
            f"to pin it, at the head of zoo/standard/{zoo.name}.toml:\n"
            f'manifest_sha256 = "{done.manifest_sha256}"\n'
            f'mirrors = [{{ repo = "{done.repository}", revision = "{done.revision}" }}]'
        )


@zoo_app.command("verify")
def zoo_verify(
    name: NameOrPath,
    rescore: Annotated[
        int, typer.Option(metavar="N", min=0, help="Derive the stored figures of N networks anew from the source data.")
    ] = 0,
    source_dir: SourceDir = None,
) -> None:
    """Hash every file of a zoo, compare with its manifest, and prove that no network stands in it twice."""
    options.tune()
    from weightbench.zoo.build.twins import check_twins
    from weightbench.zoo.recipes.catalogue import locate
    from weightbench.zoo.storage.checksums import verify_seal
    from weightbench.zoo.storage.zoo import open_zoo

    zoo = open_zoo(locate(name), always_hash=True)
    verify_seal(zoo.folder, zoo.manifest)
    check_twins(zoo)
    print(f"{zoo}: {len(zoo.manifest.files)} files are as zoo.json says, no two networks are twins")
    if rescore:
        from weightbench.zoo.build.rescore import rescore as rescored

        differences = rescored(zoo, rows=rescore, source_dir=source_dir)
        text = ", ".join(f"{key} to {value:.1g}" for key, value in differences.items())
        print(f"figures of about {rescore} networks derived anew from the source data agree: {text}")
    print(zoo.folder)
