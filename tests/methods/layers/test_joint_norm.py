from __future__ import annotations

import torch

from weightbench.methods.layers.joint_norm import JointNorm


def test_all_features_of_a_batch_have_mean_0_and_deviation_1_together() -> None:
    levels = [3 + 2 * torch.randn(4, n, 5, generator=torch.Generator().manual_seed(n)) for n in (2, 7)]
    normed = JointNorm(5)(levels)
    together = torch.cat([x.flatten() for x in normed])
    torch.testing.assert_close(torch.std_mean(together, correction=0), (torch.tensor(1.0), torch.tensor(0.0)))
    ratio = torch.cat(
        [(x[1:] - x[:-1]).flatten() / (y[1:] - y[:-1]).flatten() for x, y in zip(normed, levels, strict=True)]
    )
    torch.testing.assert_close(ratio, ratio[:1].expand_as(ratio))  # one scale for all


def test_what_only_a_whole_network_differs_by_is_kept() -> None:
    """Unlike by a LayerNorm of every node, or of every network."""
    networks = torch.arange(3.0).view(3, 1, 1).expand(3, 4, 5)
    (normed,) = JointNorm(5)([networks])
    assert normed[:, 0, 0].unique().numel() == 3


def test_channels_are_scaled_and_shifted_by_numbers_of_their_own() -> None:
    norm, x = JointNorm(2), torch.randn(3, 4, 2, generator=torch.Generator().manual_seed(0))
    (plain,) = norm([x])
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([2.0, 1.0]))
        norm.bias.copy_(torch.tensor([0.0, 3.0]))
    (moved,) = norm([x])
    torch.testing.assert_close(moved, torch.stack([2 * plain[..., 0], plain[..., 1] + 3], -1))


def test_outside_training_no_answer_depends_on_other_networks() -> None:
    norm = JointNorm(5)
    for seed in range(100):
        norm([2 + 3 * torch.randn(8, 4, 5, generator=torch.Generator().manual_seed(seed))])
    norm.eval()
    x = 2 + 3 * torch.randn(8, 4, 5, generator=torch.Generator().manual_seed(0))
    (together,), apart = norm([x]), torch.cat([norm([row])[0] for row in x.split(1)])
    torch.testing.assert_close(together, apart, rtol=0, atol=1e-6)
    torch.testing.assert_close(together, (x - 2) / 3, rtol=0, atol=0.2)  # the running statistics are the data's
