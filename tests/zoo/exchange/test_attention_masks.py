"""Masks of attention, as people write them in torch: traced, and exported to ONNX by torch itself."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.onnx_models import model, node, weights, write
from torch import Tensor, nn
from torch.nn import functional as F

import weightbench as wb

LATER = nn.Transformer.generate_square_subsequent_mask(5)
EARLIER = torch.ones(5, 5).tril().bool()
LOWEST = torch.finfo(torch.float32).min


class Written(nn.Module):
    """Attention written out; `weigh` says what becomes of the scores `[n, heads, tokens, tokens]`."""

    def __init__(self, weigh: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.qkv, self.out, self.weigh = nn.Linear(8, 24), nn.Linear(8, 8), weigh
        self.register_buffer("earlier", EARLIER[None, None])

    def heads(self, x: Tensor) -> list[Tensor]:
        return [part.view(*x.shape[:2], 2, 4).transpose(1, 2) for part in self.qkv(x).chunk(3, -1)]

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return self.weigh(q @ k.transpose(-2, -1) / 2).softmax(-1) @ v

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.attend(*self.heads(x)).transpose(1, 2).reshape(x.shape))


class Buffered(Written):
    """The mask is a buffer, larger than it need be."""

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        earlier = self.earlier[:, :, : q.shape[2], : k.shape[2]]
        return (q @ k.transpose(-2, -1) / 2).masked_fill(~earlier, -torch.inf).softmax(-1) @ v


class Given(Written):
    """torch's function, with what it is given."""

    def __init__(self, **given: Any) -> None:
        super().__init__(torch.relu)
        self.given = given

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v, **self.given)


class Layered(nn.Module):
    """torch's layer, with what it is given for an input."""

    def __init__(self, given: Callable[[Tensor], dict[str, Any]]) -> None:
        super().__init__()
        self.layer, self.given = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), given

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x, **self.given(x))


class Weighed(nn.Module):
    """torch's attention, which also gives its weights away, and therefore computes them step by step."""

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.attention, self.mask = nn.MultiheadAttention(8, 2, batch_first=True), mask

    def forward(self, x: Tensor) -> Tensor:
        return self.attention(x, x, x, attn_mask=self.mask)[0]


def unseen(x: Tensor) -> Tensor:
    """What says that no token is padding."""
    return torch.zeros(x.shape[:2], dtype=torch.bool)


def extended(scores: Tensor) -> Tensor:
    """A mask of ones, turned into zeros."""
    ones = torch.ones(len(scores), scores.shape[-1])
    return scores + (1.0 - ones[:, None, None, :]) * LOWEST


CAUSAL: dict[str, nn.Module] = {
    "is_causal": Given(is_causal=True),
    "true where it attends": Given(attn_mask=EARLIER),
    "minus infinity, given": Given(attn_mask=LATER),
    "minus infinity, added": Written(lambda scores: scores + LATER),
    "a triangle that is made in passing": Written(
        lambda scores: scores + torch.triu(torch.full(scores.shape[-2:], -torch.inf), 1)
    ),
    "filled": Written(lambda scores: scores.masked_fill(torch.tril(torch.ones(5, 5)) == 0, -torch.inf)),
    "filled with the lowest number": Written(lambda scores: scores.masked_fill(~EARLIER, LOWEST)),
    "filled, from a buffer": Buffered(torch.relu),
    "chosen": Written(lambda scores: torch.where(EARLIER, scores, torch.tensor(-1e4))),
    "chosen the other way round": Written(lambda scores: torch.where(~EARLIER, torch.tensor(-1e4), scores)),
    "positions compared": Written(
        lambda scores: scores.masked_fill(torch.arange(5)[None, :] > torch.arange(5)[:, None], -torch.inf)
    ),
    "a layer": Layered(lambda x: {"src_mask": LATER}),
    "a layer that is told so": Layered(lambda x: {"src_mask": LATER, "is_causal": True}),
    "a layer, true where it does not": Layered(lambda x: {"src_mask": ~EARLIER}),
    "a layer and no padding": Layered(lambda x: {"src_mask": ~EARLIER, "src_key_padding_mask": unseen(x)}),
    "torch's own, with weights": Weighed(~EARLIER),
}
NOTHING: dict[str, nn.Module] = {
    "none": Given(),
    "true everywhere": Given(attn_mask=torch.ones(5, 5, dtype=torch.bool)),
    "zeros like the scores": Written(lambda scores: scores + torch.zeros_like(scores)),
    "ones turned into zeros": Written(extended),
    "no padding": Layered(lambda x: {"src_key_padding_mask": unseen(x)}),
}
READ = [*((name, module, True) for name, module in CAUSAL.items()), *((n, m, False) for n, m in NOTHING.items())]
IDS = [name for name, *_ in READ]


def vary(module: nn.Module) -> None:
    torch.manual_seed(0)
    for parameter in module.parameters():
        parameter.data = torch.randn_like(parameter) / 2


def exported(module: nn.Module, file: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter without a package of its own is deprecated, and warns of asserts
        torch.onnx.export(module.eval(), (torch.randn(1, 5, 8),), file, dynamo=False, opset_version=17)
    return file


def causal(networks: wb.Networks) -> list[bool]:
    return [op.causal for op in networks.arch.operations if op.op == "attention"]


@pytest.mark.parametrize(("name", "module", "expected"), READ, ids=IDS)
def test_masks_of_a_traced_module(name: str, module: nn.Module, expected: bool) -> None:
    vary(module)
    networks = wb.import_network(module, torch.randn(2, 5, 8))
    x = torch.randn(3, 5, 8)
    with torch.no_grad():
        torch.testing.assert_close(networks.forward(x)[0], module.eval()(x), atol=1e-5, rtol=1e-5)
    assert causal(networks) == [expected]


@pytest.mark.parametrize(("name", "module", "expected"), READ, ids=IDS)
def test_masks_of_an_exported_file(name: str, module: nn.Module, expected: bool, tmp_path: Path) -> None:
    vary(module)
    file = exported(module, tmp_path / "net.onnx")
    networks = wb.import_network(file)
    x = torch.randn(1, 5, 8)
    with torch.no_grad():
        torch.testing.assert_close(networks.forward(x)[0], module(x), atol=1e-5, rtol=1e-5)
    assert causal(networks) == [expected]


OTHER = "masks or biases what tokens attend to, other than all later ones"
REFUSED: dict[str, tuple[nn.Module, str]] = {
    "some padding": (Layered(lambda x: {"src_key_padding_mask": torch.arange(5)[None].expand(len(x), -1) > 3}), OTHER),
    "a band": (Given(attn_mask=EARLIER & EARLIER.T.roll(1, 0)), OTHER),
    "earlier tokens": (Given(attn_mask=EARLIER.T), OTHER),
    "a number that leaves some weight": (Written(lambda scores: scores.masked_fill(~EARLIER, -10.0)), OTHER),
    "distances": (
        Written(lambda scores: scores + (torch.arange(5.0)[None] - torch.arange(5.0)[:, None]) * EARLIER),
        OTHER,
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_masks_are_refused(name: str, tmp_path: Path) -> None:
    module, message = REFUSED[name]
    file = exported(module, tmp_path / "net.onnx")
    for given in ((module, torch.randn(2, 5, 8)), (file, None)):
        with pytest.raises(wb.BadInput, match=message) as error:
            wb.import_network(*given)
        assert "\n" not in str(error.value)


COMPUTED: dict[str, tuple[nn.Module, str]] = {
    "scores compared": (Written(lambda scores: scores.masked_fill(scores > 1, -torch.inf)), "gt: no network of a zoo"),
    "scores chosen by scores": (Written(lambda scores: torch.where(EARLIER, scores, scores * 2)), r"where \(where\): "),
    "noise": (Written(lambda scores: scores + torch.rand(5, 5)), "rand: no network of a zoo has such operations"),
}


@pytest.mark.parametrize("name", COMPUTED)
def test_masks_that_depend_on_the_input_or_on_chance_are_refused(name: str) -> None:
    module, message = COMPUTED[name]
    with pytest.raises(wb.BadInput, match=message) as error:
        wb.import_network(module, torch.randn(2, 5, 8))
    assert "\n" not in str(error.value)


def test_a_choice_between_values_of_a_file_is_refused(tmp_path: Path) -> None:
    nodes = [node("MatMul", ["x", "w"], ["h"]), node("Where", ["c", "h", "z"], ["y"])]
    tensors = {"w": weights(6, 4), "c": np.array([True, False, True, True]), "z": np.zeros(4, np.float32)}
    file = write(tmp_path / "net.onnx", model(nodes, ["n", 6], tensors))
    with pytest.raises(wb.BadInput, match=r"net\.onnx: Where y: chooses between computed values, or by one"):
        wb.import_network(file)
