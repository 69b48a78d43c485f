# %% [markdown]
# # Look into a zoo
#
# A zoo is a collection of trained networks: their weights, what is known of each, and splits. This one has INRs: every
# network computes the brightness of one image from a pixel's coordinates.

# %%
import matplotlib.pyplot as plt
import torch

import weightbench as wb

zoo = wb.load_zoo("digits-inrs")  # built on first use
print(zoo)

# %% [markdown]
# A split has a table with one row per network, and the networks in the same order. The networks of a batch are one
# tensor, `[B, P]`.

# %%
test = zoo["test"]
test.table.head()

# %%
networks = test.networks
print(networks.arch, networks.params.shape)
print([tuple(weight.shape) for weight in networks.weights])

# %% [markdown]
# What these networks encode, above, and the images that they were fitted to, below.

# %%
encoded, originals = zoo.render(networks[:8]), zoo.images("test")[:8]
figure, axes = plt.subplots(2, 8, figsize=(8, 2))
for column in range(8):
    axes[0, column].imshow(encoded[column], cmap="gray", vmin=0, vmax=1)
    axes[1, column].imshow(originals[column], cmap="gray", vmin=0, vmax=1)
for ax in axes.flat:
    ax.axis("off")

# %% [markdown]
# Four networks were fitted to each image, from different initialisations. In weights they are nearly as far from each
# other as from the networks of other images: that is what makes weight-space learning hard.

# %%
first = networks.params[test.table["item"].to_numpy() == test.table["item"][0]]
others = networks.params[test.table["item"].to_numpy() != test.table["item"][0]]
print("copies of one image:", torch.pdist(first).mean().item())
print("other images:       ", torch.cdist(first, others).mean().item())

# %% [markdown]
# Hidden neurons have no order. Reordered networks have other weights and compute the same.

# %%
orders = [torch.stack([torch.randperm(16) for _ in range(8)]) for _ in range(2)]
reordered = networks[:8].permuted(orders)
print("weights differ by", (reordered.params - networks.params[:8]).abs().max().item())
print("images differ by ", (zoo.render(reordered) - encoded).abs().max().item())
