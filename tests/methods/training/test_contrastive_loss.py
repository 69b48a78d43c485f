"""The contrastive loss: by hand, and through a run; refused where outputs are not judged by distances."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

import weightbench as wb
from weightbench.methods.training.contrastive_loss import contrastive_loss


def test_the_loss_is_that_of_the_paper_over_distances() -> None:
    places, classes = torch.tensor([[0.0], [1.0], [3.0], [7.0]]), torch.tensor([0, 0, 0, 1])
    terms = []
    for anchor in range(3):  # the fourth has no other of its class
        near = {k: math.exp(-((places[anchor, 0] - places[k, 0]).item() ** 2) / 2) for k in range(4) if k != anchor}
        alike = [k for k in near if classes[k] == classes[anchor]]
        terms.append(-sum(math.log(near[k] / sum(near.values())) for k in alike) / len(alike))
    assert contrastive_loss(places, classes, 2.0).item() == pytest.approx(sum(terms) / 3, rel=1e-5)


def test_a_batch_without_pairs_teaches_nothing() -> None:
    places = torch.randn(3, 2, requires_grad=True)
    loss = contrastive_loss(places, torch.arange(3), 1.0)
    loss.backward()
    assert loss.item() == 0
    assert places.grad is not None
    assert not places.grad.any()


def test_a_method_is_trained_by_it(small_zoo: Path, tmp_path: Path) -> None:
    usual, contrasted = wb.run(
        [wb.load_method("probegen", contrastive_temperature=t, lr=1e-3, epochs=10) for t in (0.0, 1.0)],
        task="network-retrieval",
        zoo=small_zoo,
        target="label",
        out=tmp_path,
    )
    assert contrasted.curves is not None
    losses = contrasted.curves["train_loss"]
    assert losses[-1] < losses[0] / 2
    assert losses != (usual.curves or {})["train_loss"]
    assert "contrastive_temperature=1.0" in contrasted.method.recipe
    assert "contrastive" not in usual.method.recipe


@pytest.mark.parametrize(
    ("task", "settings", "message"),
    [("inr-classification", {}, "network-retrieval"), ("network-retrieval", {"accumulate": 2}, "whole batch")],
)
def test_it_is_refused_where_it_means_nothing(
    small_zoo: Path, tmp_path: Path, task: str, settings: dict[str, int], message: str
) -> None:
    method = wb.load_method("probegen", contrastive_temperature=1.0, **settings)
    with pytest.raises(wb.BadInput, match=message):
        wb.run(method, task=task, zoo=small_zoo, out=tmp_path, target="label" if task == "network-retrieval" else None)
