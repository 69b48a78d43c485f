"""Gauss-Newton editing: one step solves a linear network, and what the method declares holds."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from helpers.random_task import RandomTask

import weightbench as wb
from weightbench.methods.own.gauss_newton_edit import GaussNewtonStep
from weightbench.runtime.errors import BadInput
from weightbench.zoo.networks.rendering import pixel_grid

SIREN = wb.Architecture.mlp((2, 8, 8, 1), "sine", omega_0=5.0, output_offset=0.5)


def networks(arch: wb.Architecture, count: int = 4) -> wb.Networks:
    generator = torch.Generator().manual_seed(0)
    params = 0.5 * torch.randn(count, arch.num_params, generator=generator, dtype=torch.float64)
    return wb.Networks(arch, params)


def test_without_damping_a_step_of_a_linear_network_reaches_what_it_can() -> None:
    arch = wb.Architecture(input_shape=(2,), operations=({"op": "linear", "in_features": 2, "out_features": 1},))
    x, found = pixel_grid(4, 4).double(), networks(arch)
    wanted = x @ torch.tensor([3.0, -2.0], dtype=torch.float64) + 1
    step = GaussNewtonStep(arch).double()
    step.log_damping.data.fill_(-20.0)
    edited = step(found, x, wanted - found.forward(x)[..., 0])
    assert torch.allclose(edited.forward(x)[..., 0], wanted.expand(4, -1), atol=1e-5)


def test_the_kernel_is_that_of_the_jacobian() -> None:
    """The step by the definition, J D J^T formed from every parameter's derivative."""
    x, found = pixel_grid(3, 3).double(), networks(SIREN)
    step = GaussNewtonStep(SIREN).double()
    step.log_scales.data = torch.linspace(-1, 1, len(SIREN.tensors), dtype=torch.float64)
    missing = torch.randn(4, 9, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    moved = step(found, x, missing).params - found.params
    scale = torch.cat([step.log_scales.exp()[i].expand(t.stop - t.start) for i, t in enumerate(SIREN.tensors)])
    for i in range(4):
        jacobian = torch.autograd.functional.jacobian(
            lambda p: wb.Networks(SIREN, p[None]).forward(x)[0, :, 0], found.params[i].detach()
        )
        kernel = (jacobian * scale) @ jacobian.T
        damped = kernel + 0.1 * kernel.diagonal().mean() * torch.eye(9, dtype=torch.float64)
        expected = scale * (jacobian.T @ torch.linalg.solve(damped, missing[i]))
        assert torch.allclose(moved[i], expected, atol=1e-8)


def test_an_edit_moves_along_with_permutations_and_sign_flips() -> None:
    x, found = pixel_grid(3, 3).double(), networks(SIREN)
    step, missing = GaussNewtonStep(SIREN).double(), torch.ones(4, 9, dtype=torch.float64)
    edited = step(found, x, missing)
    orders = [torch.randperm(8).repeat(4, 1) for _ in range(2)]
    again = step(found.permuted(orders), x, missing)
    assert torch.allclose(again.params, edited.permuted(orders).params, atol=1e-9)
    signs = [torch.tensor([1.0, -1.0] * 4, dtype=torch.float64).repeat(4, 1) for _ in range(2)]
    again = step(found.rescaled(signs, "sign"), x, missing)
    assert torch.allclose(again.params, edited.rescaled(signs, "sign").params, atol=1e-9)


def test_it_learns_to_edit_and_its_answers_are_detached(small_zoo: Path, tmp_path: Path) -> None:
    method = wb.load_method("gauss-newton-edit", epochs=1, steps=2, channels=4)
    (result,) = wb.run(method, task="inr-dilation", zoo=small_zoo, out=tmp_path)
    (unedited,) = wb.run(wb.load_method("refit", steps=1, lr=1e-9), task="inr-dilation", zoo=small_zoo, out=tmp_path)
    assert result.status == unedited.status == "ok"
    assert result.score is not None
    assert unedited.score is not None
    assert result.score < 0.5 * unedited.score
    assert result.symmetry is not None
    assert result.symmetry.permutation == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize(
    "arch", [wb.Architecture.mlp((2, 8, 3), "sine"), wb.Architecture.cnn((1, 8, 8), (4, 4), 1)], ids=["colours", "cnn"]
)
def test_networks_that_are_no_grey_pictures_are_refused(arch: wb.Architecture) -> None:
    with pytest.raises(BadInput, match="edits INRs of grey images made of dense layers"):
        wb.load_method("gauss-newton-edit").check(RandomTask(arch))  # type: ignore[arg-type]
