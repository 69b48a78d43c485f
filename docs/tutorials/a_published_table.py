# %% [markdown]
# # Reproduce a published table
#
# StructureReps (2025) decodes a network's accuracy from its graph, epochs of one run held out, and ablates its parts.
# The suite `tables/accuracy-decoding` has the whole of its two tables; this is the part of one column that takes a
# minute: moons, two of the rows, one seed, and the controls that the paper does not have.

# %%
import tempfile

import pandas as pd

import weightbench as wb
from weightbench.leaderboard.board.printed_tables import published

options = {"split": "within-run", "target": "test", "protocol": "representation"}
runs = tempfile.mkdtemp()
results = wb.run(
    [
        wb.load_method("structure-reps"),  # EA+TC+LF
        wb.load_method("structure-reps", conv="gat", attention=False),  # GC+LF
        "weight-norms",
        "epoch-clock",
        "untrained",
    ],
    task="accuracy-decoding",
    zoo="moons-mlps",
    out=runs,
    **options,
)
[(title, board)] = wb.boards(runs).items()
print(title)
board[["method", "score", "fit_s"]]

# %% [markdown]
# What was printed, with its variance. No number of these is ranked on a board.

# %%
[printed] = [
    table
    for table in published()
    if table.task == "accuracy-decoding"
    and table.zoo == "moons-mlps"
    and table.options == {"split": "within-run", "target": "test_accuracy", "protocol": "representation"}
]
print(printed.source, printed.regime, sep="\n")
pd.DataFrame([{"row": row.method, "printed": row.score, "variance": row.spread} for row in printed.rows])

# %% [markdown]
# Three things show. The norms of the weights alone, and the encoder that was never trained, do as well as the trained
# one. The clock, which reads log(1 + epoch) and no weights, does nearly as well: within a run, accuracy is mostly a
# matter of time. Without edge attention every epoch has the same graph, so that nothing can be decoded from it. That
# scores are higher here than printed may be the zoo, as the authors' own is not public.
# [Tasks](../tasks.html) says what to ask instead: whole runs held out, and the late half of training.
#
# The rest of the tables: `weightbench run --suite tables/accuracy-decoding`.
