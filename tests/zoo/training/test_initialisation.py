"""Initial parameters have the distributions of the papers and of Keras."""

from __future__ import annotations

import numpy as np
import pytest

from weightbench import Architecture
from weightbench.zoo.training.initialisation import initial_params


@pytest.mark.parametrize(
    ("init", "std"),
    [
        ("glorot-normal", (2 / 30) ** 0.5),
        ("he-normal", (2 / 20) ** 0.5),
        ("random-normal", 0.3),
        ("truncated-normal", 0.26),
    ],
)
def test_initial_weights_have_the_width_that_their_name_says(init: str, std: float) -> None:
    arch = Architecture.mlp((20, 10, 3))
    rows = np.stack([initial_params(arch, init, np.random.default_rng(i), std=0.3) for i in range(200)])
    assert rows[:, :200].std() == pytest.approx(std, rel=0.03)
    assert (rows[:, 200:210] == 0).all()


@pytest.mark.parametrize("shape", [(8, 5), (5, 8)])
def test_orthogonal_weights_are_orthogonal(shape: tuple[int, int]) -> None:
    arch = Architecture.mlp((shape[1], shape[0], 2))
    weight = initial_params(arch, "orthogonal", np.random.default_rng(0))[: shape[0] * shape[1]].reshape(shape)
    short = weight if shape[0] < shape[1] else weight.T
    np.testing.assert_allclose(short @ short.T, np.eye(5), atol=1e-6)


def test_the_inr_initialisations_are_those_of_the_papers() -> None:
    arch = Architecture.mlp((2, 32, 32, 1), "sine", omega_0=30.0)
    dwsnets, siren = (initial_params(arch, init, np.random.default_rng(0)) for init in ("dwsnets", "siren"))
    parts = {t.name: slice(t.start, t.stop) for t in arch.tensors}
    limits = {
        "dwsnets": {"0.weight": 3**0.5 / 30, "0.bias": 0.0, "2.weight": (6 / 32) ** 0.5 / 30, "4.weight": 32**-0.5},
        "siren": {
            "0.weight": 0.5,
            "0.bias": 2**-0.5,
            "2.weight": (6 / 32) ** 0.5 / 30,
            "4.weight": (6 / 32) ** 0.5 / 30,
        },
    }
    for params, wanted in ((dwsnets, limits["dwsnets"]), (siren, limits["siren"])):
        for name, limit in wanted.items():
            largest = np.abs(params[parts[name]]).max()
            assert largest <= limit * (1 + 1e-6)
            assert largest >= 0.8 * limit
