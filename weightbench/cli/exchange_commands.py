"""The commands `weightbench zoo import` and `weightbench zoo export`: to and from what others use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from weightbench.cli import options
from weightbench.cli.zoo_commands import NameOrPath
from weightbench.zoo.exchange.import_formats import import_formats


def zoo_import(
    format: Annotated[str, typer.Argument(help=f"One of {', '.join(import_formats())}.")],
    path: Annotated[
        list[Path], typer.Argument(help="Folder, .zip or .tar archive, one .npz of stacked arrays, or .onnx files.")
    ],
    name: Annotated[str, typer.Option(help="Of the new zoo, for instance my-zoo.")],
    version: Annotated[str, typer.Option(help="Of the new zoo.")] = "1.0.0",
    labels: Annotated[Path | None, typer.Option(help="CSV with a column `file` and any others.")] = None,
    arch: Annotated[Path | None, typer.Option(help="JSON of the architecture, or of several by key.")] = None,
    activation: Annotated[str | None, typer.Option(help="Of MLPs known by their shapes, by default relu.")] = None,
    output_activation: Annotated[str | None, typer.Option(help="After the last layer of such MLPs.")] = None,
    order: Annotated[str | None, typer.Option(help="Of a weight's axes: out-in or in-out, by default out-in.")] = None,
    license: Annotated[str | None, typer.Option(help="Of the networks, by default the release's.")] = None,
    drop_diverged: Annotated[bool, typer.Option("--drop-diverged", help="Leave out NaN and infinite weights.")] = False,
    out: Annotated[Path | None, typer.Option(help="The zoo's folder, by default in the cache.")] = None,
) -> None:
    """Make a zoo of networks that were trained elsewhere. Nothing in their files is run."""
    options.tune()
    from weightbench.zoo.exchange.import_zoo import import_zoo

    zoo = import_zoo(
        format,
        path,
        name=name,
        version=version,
        labels=labels,
        arch=arch,
        activation=activation,
        output_activation=output_activation,
        order=order,
        license=license,
        drop_diverged=drop_diverged,
        out=out,
    )
    print(zoo)
    for key, architecture in zoo.manifest.architectures.items():
        print(f"{key}: {architecture.num_params:,} parameters")
    for text in zoo.manifest.recipe["assumed"]:
        print(f"note: {text}")
    print(zoo.folder)


def zoo_export(
    name: NameOrPath,
    format: Annotated[str, typer.Option(help="state-dicts (a file per network) or npz (stacked arrays).")],
    out: Annotated[Path, typer.Option(help="An empty or new folder.")],
) -> None:
    """Write a zoo's networks as plain files, which `zoo import state-dicts` reads back bit for bit."""
    options.tune()
    from weightbench.zoo.exchange.export_zoo import export_zoo
    from weightbench.zoo.load_zoo import load_zoo

    zoo = load_zoo(name)
    export_zoo(zoo, format, out)
    print(f"{zoo}\n{out}")
