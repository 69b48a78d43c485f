# %% [markdown]
# # Your method in ten minutes
#
# A method is a class with `fit` and `predict`. Its annotated fields are hyperparameters. This one looks at the mean
# and spread of every layer's weights and biases, and answers with the networks that are nearest in these.

# %%
import tempfile

import torch

import weightbench as wb


class NearestSpread(wb.Method):
    """The mean target of the networks with the most similar moments."""

    name = "nearest-spread"
    tasks = ("property",)
    symmetries = ("permutation",)
    neighbours: int = 1

    def features(self, networks):
        tensors = [*networks.weights, *(bias for bias in networks.biases if bias is not None)]
        moments = [f(tensor.flatten(1)) for tensor in tensors for f in (lambda x: x.mean(1), lambda x: x.std(1))]
        return torch.stack(moments, 1)

    def fit(self, task, train, val, *, seed, device):
        self.known, self.targets = self.features(train.networks), task.targets(train)
        self.scale = self.known.std(0) + 1e-8

    def predict(self, networks):
        distances = torch.cdist(self.features(networks) / self.scale, self.known / self.scale)
        nearest = distances.topk(self.neighbours, largest=False).indices
        return self.targets[nearest].float().mean(1)


# %% [markdown]
# Run it on a task beside a baseline: how accurate is a network on its test data? Whole runs are held out. Every cell,
# one method with one seed, is a record and its predictions in a results folder.

# %%
runs = tempfile.mkdtemp()
results = wb.run(
    [NearestSpread(), NearestSpread(neighbours=5), "weight-norms"],
    task="accuracy-decoding",
    zoo="moons-mlps",
    out=runs,
)
[(result.method.label, result.status, result.score) for result in results]

# %% [markdown]
# The board scores the stored predictions anew. `permutation` is how far answers moved when hidden neurons were
# reordered: 0 is invariant, as this method claims.

# %%
[(title, rows)] = wb.boards(runs).items()
print(title)
rows[["method", "score", "units", "permutation", "scale"]]

# %% [markdown]
# In a file of its own the same class runs from the command line: `weightbench new-method my-net` writes one to start
# from, `weightbench check my_net.py` holds it to the contract, `weightbench run my_net.py ...` measures it.
# A torch module derives from `wb.NeuralMethod` instead and writes only `build`; the training loop is there.
