"""The supervised contrastive loss (Khosla et al., NeurIPS 2020, arXiv:2004.11362, equation 2), by distances."""

from __future__ import annotations

import torch
from torch import Tensor


def contrastive_loss(embeddings: Tensor, classes: Tensor, temperature: float) -> Tensor:
    """How much nearer those of its own class are to an embedding than the rest of the batch; a mean over embeddings.

    Similarity is minus the squared distance over `temperature`, since retrieval ranks by distance; the paper takes the
    cosine. Embeddings without another of their class are left out: of a batch of such the loss is 0.

    Arguments:
        embeddings, classes: `[B, d]` and `[B]`.
    """
    itself = torch.eye(len(embeddings), dtype=torch.bool, device=embeddings.device)
    differences = embeddings.unsqueeze(1) - embeddings.unsqueeze(0)
    likelihood = (-differences.square().sum(2) / temperature).masked_fill(itself, -torch.inf).log_softmax(1)
    alike = (classes.unsqueeze(1) == classes.unsqueeze(0)) & ~itself
    count = alike.sum(1)
    per_anchor = -likelihood.masked_fill(~alike, 0.0).sum(1) / count.clamp(min=1)
    return per_anchor.sum() / (count > 0).sum().clamp(min=1)
