"""Consensus: what agreement alone tells, that no symmetry of neurons shows, and whom it refuses."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers import planted_zoo
from helpers.branched_networks import BRANCHED
from hypothesis import given, settings
from hypothesis import strategies as st

import weightbench as wb
from weightbench.methods.statistics.answer_statistics import (
    LARGEST,
    agreement,
    answer_statistics,
    answers,
    outputs_on,
    random_inputs,
)
from weightbench.methods.statistics.weight_statistics import NUMBERS, depth_free_statistics, statistics
from weightbench.zoo.networks import symmetry

MLP = (6, 10, 3)


def students(count: int, seed: int = 0) -> tuple[wb.Networks, torch.Tensor]:
    """Networks that are one teacher but for noise, and how much of that they have; all weights are as large."""
    generator = torch.Generator().manual_seed(seed)
    drawn = planted_zoo.networks(MLP, count + 1, seed)
    noise = torch.rand(count, generator=generator)
    teacher, others = drawn.params[0], drawn.params[1:]
    mixed = (1 - noise.square()).sqrt()[:, None] * teacher + noise[:, None] * others
    return wb.Networks(drawn.arch, mixed), noise


@pytest.mark.parametrize("parts", [("consensus",), ("weights", "answers", "consensus")])
def test_who_answers_as_the_others_do_has_learned_what_they_have(parts: tuple[str, ...], tmp_path: Path) -> None:
    found, noise = students(300)
    zoo = planted_zoo.write_zoo(tmp_path / "zoo", {"students": found}, extra={"learned": (-noise).numpy()})
    method = wb.load_method("consensus", parts=parts)
    (result,) = wb.run(method, task="property", zoo=zoo, target="learned", out=tmp_path / "runs")
    assert result.scores["pearson-r"] > 0.8
    assert result.symmetry is not None
    assert result.symmetry.permutation == pytest.approx(0, abs=1e-3)


def test_classes_are_told_by_log_probabilities(tmp_path: Path) -> None:
    found, noise = students(300)
    far = np.where(noise > 0.6, "far", "near")
    zoo = planted_zoo.write_zoo(tmp_path / "zoo", {"students": found}, extra={"far": far})
    (result,) = wb.run(
        wb.load_method("consensus", members=2), task="property", zoo=zoo, target="far", out=tmp_path / "runs"
    )
    assert result.score is not None
    assert result.score > 80


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    outputs=st.integers(1, 4),
    hidden=st.integers(1, 9),
    scale=st.sampled_from([0.0, 0.1, 1.0, 30.0]),
    seed=st.integers(0, 99),
)
def test_the_order_of_neurons_does_not_show(outputs: int, hidden: int, scale: float, seed: int) -> None:
    drawn = planted_zoo.networks((4, hidden, outputs), 5, seed)
    networks = wb.Networks(drawn.arch, scale * drawn.params)
    order = symmetry.sample(networks.arch, "permutation", 5, torch.Generator().manual_seed(seed))
    x = random_inputs((4,), 12, seed)
    (plain, other) = (outputs_on(n, x) for n in (networks, networks.permuted(order)))
    for found, again in (
        (depth_free_statistics(networks), depth_free_statistics(networks.permuted(order))),
        (answer_statistics(plain), answer_statistics(other)),
        (agreement(answers(plain), answers(plain).mean(0)), agreement(answers(other), answers(plain).mean(0))),
    ):
        assert found.isfinite().all()
        torch.testing.assert_close(found, again, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("arch", BRANCHED.values(), ids=BRANCHED)
def test_networks_of_any_depth_are_described_by_equally_many_numbers(arch: wb.Architecture) -> None:
    networks = wb.Networks(arch, torch.randn(3, arch.num_params))
    found = depth_free_statistics(networks)
    assert found.shape == (3, NUMBERS * 5 * 3)
    first = statistics(networks)[:, :NUMBERS] if len(arch.tensors[0].shape) > 1 else None
    if first is not None:
        torch.testing.assert_close(found[:, 3 * NUMBERS : 4 * NUMBERS], first)


def test_agreement_is_whole_with_itself_and_none_with_the_opposite() -> None:
    given = torch.randn(1, 9, 3, generator=torch.Generator().manual_seed(0))
    off, along = agreement(torch.cat([given, -given]), given[0]).T
    assert off[0] == 0
    torch.testing.assert_close(along, torch.tensor([1.0, -1.0]), atol=1e-3, rtol=0)


@pytest.mark.parametrize("shape", [(4,), (3, 5), (1, 6, 7)])
def test_inputs_of_any_shape_are_drawn_by_the_seed(shape: tuple[int, ...]) -> None:
    drawn = random_inputs(shape, 9, 0)
    assert drawn.shape == (9, *shape)
    assert torch.equal(drawn, random_inputs(shape, 9, 0))
    assert not torch.equal(drawn, random_inputs(shape, 9, 1))
    assert len({tuple(x.flatten().tolist()) for x in drawn}) == 9


def test_answers_of_diverged_networks_are_finite() -> None:
    drawn = planted_zoo.networks((4, 8, 3), 2)
    found = outputs_on(wb.Networks(drawn.arch, 1e30 * drawn.params), random_inputs((4,), 5, 0))
    assert found.abs().max() == LARGEST
    assert answer_statistics(found).isfinite().all()


def test_networks_of_other_inputs_have_no_agreement_but_an_answer_and_those_of_other_outputs_none() -> None:
    found, noise = students(60)
    task = SimpleNamespace(
        architectures=[found.arch], output="values", output_dim=1, targets=lambda split: split.noise[:, None]
    )
    train = SimpleNamespace(groups=[found[:40]], noise=noise[:40])
    val = SimpleNamespace(groups=[found[40:]], noise=noise[40:])
    method = wb.load_method("consensus", probes=16, members=1)
    method.fit(task, train, val, seed=0, device="cpu")
    predicted = method.predict(planted_zoo.networks((5, 7, 7, 3), 4))
    assert predicted.shape == (4, 1)
    assert predicted.isfinite().all()
    assert method.predict(found[:0]).shape == (0, 1)
    with pytest.raises(wb.BadInput, match=r"outputs of shape \(3,\), these have \(2,\): fit it to such"):
        method.predict(planted_zoo.networks((6, 10, 2), 4))


@pytest.mark.parametrize(
    ("architectures", "message"),
    [
        ([wb.Architecture.mlp((4, 3)), wb.Architecture.mlp((4, 2))], r"have outputs of shapes \[\(2,\), \(3,\)\]"),
        ([BRANCHED["word-transformer"]], "which cannot be numbers of words"),
    ],
)
def test_networks_whose_answers_cannot_be_compared_are_refused(
    architectures: list[wb.Architecture], message: str
) -> None:
    train = SimpleNamespace(table={})
    task = SimpleNamespace(architectures=architectures, output="values", splits={"train": train}, name="property")
    with pytest.raises(wb.BadInput, match=message):
        wb.load_method("consensus").check(task)
