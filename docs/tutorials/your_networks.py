# %% [markdown]
# # Your networks from elsewhere
#
# Networks that were trained anywhere become a zoo: a folder of state dicts and a table. Here sixty small networks learn
# to tell two moons apart, with learning rates drawn at random.

# %%
import tempfile
from pathlib import Path

import pandas as pd
import torch
from sklearn.datasets import make_moons

import weightbench as wb

folder = Path(tempfile.mkdtemp())
(folder / "nets").mkdir()
torch.manual_seed(0)
x, y = (torch.from_numpy(values) for values in make_moons(400, noise=0.2, random_state=0))
x, y = x.float(), y.long()
table = []
for number in range(60):
    net = torch.nn.Sequential(torch.nn.Linear(2, 16), torch.nn.ReLU(), torch.nn.Linear(16, 2))
    lr = 10 ** torch.empty(1).uniform_(-4, -1).item()
    optimizer = torch.optim.Adam(net.parameters(), lr=lr)
    for _ in range(100):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(x[:200]), y[:200]).backward()
        optimizer.step()
    accuracy = (net(x[200:]).argmax(1) == y[200:]).double().mean().item()
    torch.save(net.state_dict(), folder / f"nets/{number}.pt")
    table.append({"file": f"{number}.pt", "test_accuracy": accuracy, "log_lr": torch.tensor(lr).log10().item()})
pd.DataFrame(table).to_csv(folder / "labels.csv", index=False)

# %% [markdown]
# The files tell the shapes, not what lies between the layers: `activation` says that. What else the files leave open is
# assumed, and kept with the zoo.

# %%
zoo = wb.import_zoo(
    "state-dicts",
    folder / "nets",
    name="my-moons",
    labels=folder / "labels.csv",
    activation="relu",
    out=folder / "my-moons",
)
print(zoo, *zoo.manifest.recipe["assumed"], sep="\n")
zoo["train"].table.head()

# %% [markdown]
# It is a zoo like any other. The first check: do the networks compute what they did?

# %%
test = zoo["test"]
answers = test.networks.forward(x[200:]).argmax(-1)
measured = (answers == y[200:]).double().mean(1)
print("largest difference in accuracy:", (measured - torch.tensor(test.table["test_accuracy"])).abs().max().item())

# %% [markdown]
# Any column of the table is a target.

# %%
results = wb.run(
    ["weight-norms", "weight-stats", "constant"],
    task="property",
    target="log_lr",
    zoo=folder / "my-moons",
    out=folder / "runs",
)
[(result.method.name, result.status, result.score) for result in results]
