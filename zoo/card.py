"""The dataset card (README.md) of a zoo folder: what the Hub shows, and what a person who finds the folder reads."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, StrictUndefined

from .manifest import Manifest

TEMPLATE = """\
---
pretty_name: {{ m.name }}
license: other
license_name: {{ m.source.license | tojson }}
tags: [weight-space, model-zoo, inr]
configs:
- config_name: default
  data_files:
{%- for file in m.files %}
  - split: {{ file.split }}
    path: {{ file.path }}
{%- endfor %}
---

# {{ m.name }} {{ m.version }}

{{ m.description }}. A zoo of WeightBench: one row per trained network.

| split | networks | file | sha256 |
| --- | ---: | --- | --- |
{% for file in m.files -%}
| {{ file.split }} | {{ "{:,}".format(file.rows) }} | `{{ file.path }}` | `{{ file.sha256 }}` |
{% endfor %}
Splits hold different source images: all networks of one image are on one side.

## Columns

{% for name, text in m.columns.items() -%}
- `{{ name }}`: {{ text }}
{% endfor %}
## Architectures
{% for name, arch in m.architectures.items() %}
`{{ name }}`: {{ arch }}, {{ "{:,}".format(arch.num_params) }} parameters, output offset {{ arch.output_offset }}.

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
Quality: {% for key, value in m.quality.items() %}{{ key }} {{ value }}{{ ", " if not loop.last }}{% endfor %}.

## Source

{{ m.source.citation }}. Licence {{ m.source.license }}. Checksum of pixels and labels `{{ m.source.sha256 }}`.
"""


def write_card(folder: Path, manifest: Manifest) -> None:
    """Write the card beside the files that it describes."""
    template = Environment(undefined=StrictUndefined, keep_trailing_newline=True).from_string(TEMPLATE)
    (folder / "README.md").write_text(template.render(m=manifest))
