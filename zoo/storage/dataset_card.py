"""The dataset card (README.md) of a zoo folder: what the Hub shows, and what a person who finds the folder reads."""

from __future__ import annotations

import sys
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from jinja2 import Environment, StrictUndefined

from .datasheet import ZooFacts, datasheet_markdown
from .manifest import ZooFile
from .zoo import Zoo

PICTURE = "picture.png"
SIZE_CATEGORIES = {"n<1K": 1_000, "1K<n<10K": 10_000, "10K<n<100K": 100_000, "100K<n<1M": 1_000_000}
TEMPLATE = """\
---
{{ front }}
---

# {{ m.name }} {{ m.version }}

{{ m.description }}. A zoo of WeightBench: one row per trained network.

![{{ m.name }}](picture.png)

```python
{% if address -%}
import datasets

data = datasets.load_dataset("{{ address }}", {% if m.architectures | length > 1 %}"{{ m.architectures | first }}", {% endif %}revision="v{{ m.version }}")
{%- else -%}
import datasets

data = datasets.load_dataset("."{% if m.architectures | length > 1 %}, "{{ m.architectures | first }}"{% endif %})  # in this folder
{%- endif %}
data["train"].with_format("torch")["params"][:]  # [networks, parameters], float32
```

With WeightBench, every file verified against `zoo.json` before it is used:

```python
import weightbench as wb

zoo = wb.{% if address %}get_zoo("{{ m.name }}@{{ m.version }}", repo_id="{{ address }}"){% else %}load_zoo("{{ m.name }}"){% endif %}
zoo["train"].networks.forward(x)  # all networks at once
```

| split | architecture | networks | file | sha256 |
| --- | --- | ---: | --- | --- |
{% for file in m.files -%}
| {{ file.split }} | {{ file.architecture }} | {{ "{:,}".format(file.rows) }} | `{{ file.path }}` | `{{ file.sha256 }}` |
{% endfor %}
`zoo.json` itself: sha256 `{{ sha256 }}`.

{% if m.imported -%}
{{ m.recipe.split_rule }}.
{%- elif m.rendering -%}
Splits hold different source images: all networks of one image are on one side.
{%- else -%}
Splits hold different training runs: all networks of one run are on one side.
{%- if m.other_splits %} The column `within_run` holds the splits that published
results use: epochs of one run on all sides, so that neighbours in time leak.{% endif %}
{%- endif %} No two networks are equal up to
the order of their neurons. Kept out: {{ m.dropped.duplicates }} duplicates, {{ m.dropped.diverged | length }} that diverged.

## Columns

{% for name, text in m.columns.items() -%}
- `{{ name }}`: {{ text }}
{% endfor %}
## Architectures
{% for name, arch in m.architectures.items() %}
`{{ name }}`: {{ arch }}, {{ "{:,}".format(arch.num_params) }} parameters{% if arch.output_offset %}, output offset {{ arch.output_offset }}{% endif %}.

| tensor | shape | place in `params` |
| --- | --- | --- |
{% for t in arch.tensors -%}
| {{ t.name }} | {{ t.shape | list }} | {{ t.start }} to {{ t.stop }} |
{% endfor %}
{%- endfor %}
## Recipe

{% for key, value in m.recipe.items() -%}
- {{ key }}: {{ value }}
{% endfor %}
{% if m.quality -%}
Quality: {% for key, value in m.quality.items() %}{{ key }} {{ value }}{{ ", " if not loop.last }}{% endfor %}.
{% endif %}

## Datasheet

After Gebru et al., Datasheets for Datasets (2021).

{{ datasheet }}

## Versions

A version is a tag of this repository and never changes; other recipes or data are another version.

{% for version, text in (m.changelog or {m.version: "First version."}).items() -%}
- {{ version }}: {{ text }}
{% endfor %}
## Source, licence and citation
{% for source in m.sources %}
{{ source.citation }}. Licence: {{ source.license }}.{% if source.sha256 %} Checksum of inputs and targets `{{ source.sha256 }}`.{% endif %}
{% endfor %}
Please cite the source data, and WeightBench with the name and version of this zoo.
"""


def card(zoo: Zoo, address: str | None = None) -> str:
    """The text of a zoo's card; `address` is the repository that will show it."""
    from huggingface_hub import DatasetCardData

    manifest = zoo.manifest
    keys = list(manifest.architectures)
    configs = {
        ("default" if len(keys) == 1 else key): [f for f in manifest.files if f.architecture == key] for key in keys
    }
    rows = sum(file.rows for file in manifest.files)
    front = DatasetCardData(
        pretty_name=manifest.name,
        license="other",
        license_name="; ".join(dict.fromkeys(source.license for source in manifest.sources)) or "unknown",
        tags=["weight-space", "model-zoo", "weightbench", *(["inr"] if manifest.rendering else [])],
        size_categories=[next((name for name, limit in SIZE_CATEGORIES.items() if rows < limit), "1M<n<10M")],
        configs=[
            {"config_name": name, "data_files": [{"split": file.split, "path": file.path} for file in files]}
            for name, files in configs.items()
        ],
        dataset_info=[_dataset_info(zoo, name, files) for name, files in configs.items()],
    )
    template = Environment(undefined=StrictUndefined, keep_trailing_newline=True).from_string(TEMPLATE)
    return template.render(
        m=manifest,
        sha256=zoo.manifest_sha256,
        front=front.to_yaml().strip(),
        address=address,
        datasheet=datasheet_markdown(ZooFacts.of(manifest)),
    )


def write_card(zoo: Zoo) -> None:
    """Write the card and its picture beside the files that it describes.

    A machine that has torch but not what draws and describes, as the bundle meets them, builds the zoo without.
    """
    try:
        from .zoo_picture import draw

        text = card(zoo)
    except ModuleNotFoundError as error:
        print(
            f"zoo {zoo.name}: no card beside it, because {error.name} is missing; `zoo push` makes one", file=sys.stderr
        )
        return
    draw(zoo, zoo.folder / PICTURE)
    (zoo.folder / "README.md").write_text(text)


def _dataset_info(zoo: Zoo, config: str, files: list[ZooFile]) -> dict[str, Any]:
    """What `datasets` checks and types a configuration by."""
    schema = pq.read_schema(zoo.folder / files[0].path)
    classes = zoo.manifest.sources[0].classes if zoo.manifest.sources else []
    splits = []
    for file in files:
        groups = pq.read_metadata(zoo.folder / file.path)
        size = sum(groups.row_group(number).total_byte_size for number in range(groups.num_row_groups))
        splits.append({"name": file.split, "num_bytes": size, "num_examples": file.rows})
    return {
        "config_name": config,
        "features": [_feature(field, classes) for field in schema],
        "splits": splits,
        "download_size": sum(file.bytes for file in files),
        "dataset_size": sum(split["num_bytes"] for split in splits),
    }


def _feature(field: pa.Field, classes: list[str]) -> dict[str, Any]:
    names = {pa.float64(): "float64", pa.float32(): "float32", pa.bool_(): "bool", pa.large_string(): "large_string"}
    if pa.types.is_fixed_size_list(field.type):
        inner = field.type.value_type
        return {"name": field.name, "list": names.get(inner, str(inner)), "length": field.type.list_size}
    if field.name == "label" and classes:
        labels = {"names": {str(number): name for number, name in enumerate(classes)}}
        return {"name": field.name, "dtype": {"class_label": labels}}
    return {"name": field.name, "dtype": names.get(field.type, str(field.type))}
