"""The dataset card (README.md) of a zoo folder: what the Hub shows, and what a person who finds the folder reads."""

from __future__ import annotations

from jinja2 import Environment, StrictUndefined

from .collection import Zoo
from .picture import draw

PICTURE = "picture.png"
TEMPLATE = """\
---
pretty_name: {{ m.name }}
license: other
license_name: {{ licenses | join("; ") | tojson }}
tags: [weight-space, model-zoo{{ ", inr" if m.rendering }}]
configs:
{%- for key in m.architectures %}
- config_name: {{ "default" if m.architectures | length == 1 else key }}
  data_files:
{%- for file in m.files if file.architecture == key %}
  - split: {{ file.split }}
    path: {{ file.path }}
{%- endfor %}
{%- endfor %}
---

# {{ m.name }} {{ m.version }}

{{ m.description }}. A zoo of WeightBench: one row per trained network.

![{{ m.name }}](picture.png)

| split | architecture | networks | file | sha256 |
| --- | --- | ---: | --- | --- |
{% for file in m.files -%}
| {{ file.split }} | {{ file.architecture }} | {{ "{:,}".format(file.rows) }} | `{{ file.path }}` | `{{ file.sha256 }}` |
{% endfor %}
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
## Source
{% for source in m.sources %}
{{ source.citation }}. Licence: {{ source.license }}.{% if source.sha256 %} Checksum of inputs and targets `{{ source.sha256 }}`.{% endif %}
{% endfor -%}
"""


def write_card(zoo: Zoo) -> None:
    """Write the card and its picture beside the files that it describes."""
    template = Environment(undefined=StrictUndefined, keep_trailing_newline=True).from_string(TEMPLATE)
    licenses = dict.fromkeys(source.license for source in zoo.manifest.sources)
    draw(zoo, zoo.folder / PICTURE)
    (zoo.folder / "README.md").write_text(template.render(m=zoo.manifest, licenses=list(licenses)))
