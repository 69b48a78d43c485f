"""The table that comes with networks: a CSV whose column `file` says which network each row belongs to."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ....runtime.errors import BadInput
from ...recipes.splits import SPLITS
from .archives import first_line
from .network_listing import ARCHITECTURE, FILE, GROUP, MAX_CLASSES, SPLIT, NetworkListing

RESERVED_COLUMNS = ("params", "image")
TEXT_COLUMNS = ("id", FILE, GROUP, SPLIT, ARCHITECTURE)
GROUP_COLUMNS = (GROUP, "item", "run")


def read_labels(path: Path) -> pd.DataFrame:
    """The table, `file` its index. Raises BadInput when it has none, or one that repeats itself."""
    try:
        table = pd.read_csv(path, dtype=dict.fromkeys(TEXT_COLUMNS, "str"), low_memory=False)
    except (OSError, ValueError, pd.errors.ParserError) as error:
        raise BadInput(f"{path}: cannot be read ({first_line(error)}); --labels takes a CSV file") from None
    if FILE not in table:
        raise BadInput(f"{path}: has no column `file`, only {', '.join(map(str, table.columns))}: name each row's file")
    for name in table.columns:
        if name in RESERVED_COLUMNS or not str(name).strip() or str(name).startswith("Unnamed: "):
            raise BadInput(f"{path}: a column is called {str(name)!r}: give it another name")
        if name in TEXT_COLUMNS and table[name].isna().any():
            row = int(table[name].isna().argmax())
            raise BadInput(f"{path}: line {row + 2}: {name} is empty: fill it in, or leave the column out")
    repeated = table.loc[table[FILE].duplicated(), FILE]
    if len(repeated):
        raise BadInput(f"{path}: names {repeated.iloc[0]} twice: leave one line for each file")
    if SPLIT in table and not table[SPLIT].isin(SPLITS).all():
        row = int((~table[SPLIT].isin(SPLITS)).argmax())
        raise BadInput(f"{path}: line {row + 2}: split is {table[SPLIT].iloc[row]!r}, expected {', '.join(SPLITS)}")
    for name in table.columns:
        if table[name].dtype == object:  # several types in one column, or numbers that no number type holds
            table[name] = table[name].astype("str")
    return table.set_index(FILE)


def add_labels(listing: NetworkListing, labels: pd.DataFrame, path: Path) -> None:
    """Put a listing into the order of a CSV and add its columns. Raises BadInput unless both name the same files."""
    files = listing.table[FILE]
    absent = files[~files.isin(labels.index)]
    if len(absent):
        raise BadInput(
            f"{path}: has no line for {len(absent):,} of {len(files):,} files, first {absent.iloc[0]}: add them"
        )
    unknown = labels.index[~labels.index.isin(files)]
    if len(unknown):
        raise BadInput(f"{path}: names {len(unknown):,} files that are not there, first {unknown[0]}: remove them")
    found = labels.reset_index(drop=True)
    table = listing.table.set_index(FILE, drop=False).loc[labels.index].reset_index(drop=True)
    group = next((name for name in GROUP_COLUMNS if name in found), None)
    if group is not None:
        table[GROUP] = found[group].astype("str")
        listing.split_rule = f"Splits were cut so that networks of one `{group}` are on one side"
    if SPLIT in found:
        listing.split_rule = f"Splits are those of {path.name}"
    if "label" in found:
        found["label"], classes = _numbered(found["label"], path)
        listing.source = listing.source.model_copy(update={"classes": classes})
    for name in found.columns:
        if name != GROUP:
            table[name] = found[name]
        if name not in TEXT_COLUMNS:
            listing.columns[name] = f"from {path.name}"
    listing.table = table


def _numbered(labels: pd.Series, path: Path) -> tuple[pd.Series, list[str]]:
    """Labels as numbers from 0, and the classes that they stand for."""
    if labels.isna().any():
        raise BadInput(
            f"{path}: {int(labels.isna().sum()):,} labels are empty: fill them in, or call the column otherwise"
        )
    if pd.api.types.is_integer_dtype(labels) and labels.min() >= 0 and labels.max() < MAX_CLASSES:
        return labels, [str(number) for number in range(int(labels.max()) + 1)]
    numbers, classes = pd.factorize(labels, sort=True)
    return pd.Series(numbers, labels.index), [str(name) for name in classes]
