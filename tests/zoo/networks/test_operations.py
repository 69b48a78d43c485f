"""Every operation equals torch's, alone, in well-known networks and in random graphs; what does not fit is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from helpers.torch_graphs import MODULES, TorchGraph, graphs, random_inputs, random_params
from hypothesis import given, settings
from pydantic import ValidationError
from torch import Tensor, nn

import weightbench as wb
from weightbench.zoo.networks.architecture import Architecture

Operations = list[dict[str, Any]]


def image(*operations: dict[str, Any], shape: tuple[int, ...] = (4, 6, 6)) -> Architecture:
    return Architecture.model_validate({"input_shape": shape, "operations": operations})


def conv(n_in: int, n_out: int, kernel: int = 3, **more: Any) -> dict[str, Any]:
    given = {"kernel_size": [kernel, kernel], "padding": kernel // 2}
    return {"op": "conv2d", "in_channels": n_in, "out_channels": n_out, **given, **more}


def linear(n_in: int, n_out: int, **more: Any) -> dict[str, Any]:
    return {"op": "linear", "in_features": n_in, "out_features": n_out, **more}


def norm(kind: str, channels: int, **more: Any) -> dict[str, Any]:
    return {"op": kind, "channels": channels, **more}


def act(name: str, **more: Any) -> dict[str, Any]:
    return {"op": "activation", "name": name, **more}


def resnet18() -> Architecture:
    """He et al. (2016), with torchvision's names."""
    ops = [
        conv(3, 64, 7, stride=2, bias=False, id="conv1"),
        norm("batch-norm", 64, id="bn1"),
        act("relu"),
        {"op": "pool2d", "kernel_size": 3, "stride": 2, "padding": 1},
    ]
    before, width = str(len(ops) - 1), 64
    for stage, out in enumerate((64, 128, 256, 512), 1):
        for block in range(2):
            name = f"layer{stage}.{block}"
            stride = 2 if out != width else 1
            ops += [
                conv(width, out, bias=False, stride=stride, id=f"{name}.conv1", inputs=[before]),
                norm("batch-norm", out, id=f"{name}.bn1"),
                act("relu"),
                conv(out, out, bias=False, id=f"{name}.conv2"),
                norm("batch-norm", out, id=f"{name}.bn2"),
            ]
            if out != width:
                ops.append(conv(width, out, 1, bias=False, stride=2, id=f"{name}.downsample.0", inputs=[before]))
                ops.append(norm("batch-norm", out, id=f"{name}.downsample.1"))
                before = f"{name}.downsample.1"
            ops += [{"op": "add", "inputs": [f"{name}.bn2", before]}, act("relu", id=f"{name}.out")]
            before, width = f"{name}.out", out
    ops += [{"op": "global-avg-pool2d"}, linear(512, 10, id="fc")]
    return image(*ops, shape=(3, 33, 33))


class Block(nn.Module):
    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False), nn.BatchNorm2d(n_out)
        self.conv2, self.bn2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False), nn.BatchNorm2d(n_out)
        if stride > 1:
            self.downsample = nn.Sequential(nn.Conv2d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm2d(n_out))

    def forward(self, x: Tensor) -> Tensor:
        inner = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        return (inner + (self.downsample(x) if hasattr(self, "downsample") else x)).relu()


class ResNet18(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        for stage, (n_in, n_out) in enumerate([(64, 64), (64, 128), (128, 256), (256, 512)], 1):
            stride = 1 if n_in == n_out else 2
            self.add_module(f"layer{stage}", nn.Sequential(Block(n_in, n_out, stride), Block(n_out, n_out, 1)))
        self.fc = nn.Linear(512, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.max_pool2d(self.bn1(self.conv1(x)).relu(), 3, 2, 1)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        return self.fc(x.mean((2, 3)))


def vit(layers: int = 2, width: int = 8, heads: int = 2, activation: str = "gelu") -> Architecture:
    """Dosovitskiy et al. (2021), small."""
    ops = [
        conv(1, width, 2, stride=2, padding=0, id="patches"),
        {"op": "to-tokens"},
        {"op": "class-token", "features": width, "id": "token"},
        {"op": "position-embedding", "tokens": 10, "features": width, "id": "position"},
    ]
    before = "position"
    for number in range(layers):
        n = f"layer{number}"
        ops.append(norm("layer-norm", width, id=f"{n}.norm1"))
        ops += [linear(width, width, id=f"{n}.{name}", inputs=[f"{n}.norm1"]) for name in ("query", "key", "value")]
        ops += [
            {"op": "attention", "heads": heads, "inputs": [f"{n}.query", f"{n}.key", f"{n}.value"]},
            linear(width, width, id=f"{n}.out"),
            {"op": "add", "inputs": ["previous", before], "id": f"{n}.middle"},
            norm("layer-norm", width, id=f"{n}.norm2"),
            linear(width, 2 * width, id=f"{n}.linear1"),
            act(activation),
            linear(2 * width, width, id=f"{n}.linear2"),
            {"op": "add", "inputs": ["previous", f"{n}.middle"], "id": n},
        ]
        before = n
    ops += [norm("layer-norm", width, id="norm"), {"op": "take-token"}, linear(width, 5, id="head")]
    return image(*ops, shape=(1, 6, 6))


class ViT(nn.Module):
    """With torch's own encoder layers, whose projections are one tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.token, self.position = nn.Conv2d(1, 8, 2, 2), nn.Parameter(torch.zeros(8)), nn.Parameter(
            torch.zeros(10, 8)
        )  # fmt: skip
        layers = [nn.TransformerEncoderLayer(8, 2, 16, 0, "gelu", batch_first=True, norm_first=True) for _ in range(2)]
        self.layers = nn.ModuleList(layers)
        self.norm, self.head = nn.LayerNorm(8), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).mT
        x = torch.cat([self.token.expand(len(x), 1, 8), x], 1) + self.position
        for layer in self.layers:
            x = layer(x)
        return self.head(self.norm(x)[:, 0])

    def named(self) -> dict[str, Tensor]:
        """The state under the architecture's names, in its order."""
        found = {}
        for name, value in self.state_dict().items():
            name = name.replace("self_attn.out_proj", "out").replace("layers.", "layer")
            if "in_proj" in name:
                stem, kind = name.split("self_attn.in_proj_")
                found |= {
                    stem + f"{p}.{kind}": v for p, v in zip(("query", "key", "value"), value.chunk(3), strict=True)
                }
            else:
                found[name + ".weight" * (name in ("token", "position"))] = value
        return {tensor.name: found[tensor.name] for tensor in vit().tensors}


BRANCHES = [conv(4, 4, id="a"), conv(4, 2, id="b", inputs=["input"]), conv(4, 2, 1, id="c", inputs=["input"])]
HEAD = [{"op": "global-avg-pool2d"}, linear(4, 3)]
TOKENS = [conv(4, 8, 2, stride=2, padding=0), {"op": "to-tokens"}]
SEQUENCE = [{"op": "embedding", "vocabulary": 7, "features": 8, "id": "words"}]
HEADS = [linear(8, 8, id=name, inputs=["words"]) for name in "qkv"]
ARCHITECTURES = {
    "linear": image(linear(3, 2), shape=(3,)),
    "no bias": image(linear(3, 5, bias=False), act("relu"), linear(5, 2, bias=False), shape=(3,)),
    "activation on the output": image(linear(3, 5), act("tanh"), linear(5, 2), act("sigmoid"), shape=(3,)),
    "gelu by tanh": image(linear(3, 5), act("gelu", approximate="tanh"), linear(5, 2), shape=(3,)),
    "siren": Architecture.mlp((2, 8, 8, 1), "sine", omega_0=3.0, output_offset=0.5),
    "cnn": Architecture.cnn((1, 9, 9), (4, 6), 3),
    "stride": image(conv(4, 4, stride=2), *HEAD),
    "dilation": image(conv(4, 4, dilation=2), *HEAD),
    "groups": image(conv(4, 8, groups=2), act("relu"), conv(8, 4, groups=4), *HEAD),
    "depthwise": image(conv(4, 4, groups=4, bias=False), conv(4, 4, 1), *HEAD),
    "depthwise, two each": image(conv(4, 8, groups=4), conv(8, 4, 1), *HEAD),
    "max pool": image(conv(4, 4), {"op": "pool2d", "kernel_size": 3, "stride": 2, "padding": 1}, *HEAD),
    "mean pool": image(conv(4, 4), {"op": "pool2d", "kind": "avg", "kernel_size": 3, "stride": 1, "padding": 1}, *HEAD),
    "flatten": image(conv(4, 2), {"op": "flatten"}, linear(72, 3)),
    "batch norm": image(conv(4, 4, bias=False), norm("batch-norm", 4), act("relu"), *HEAD),
    "batch norm of vectors": image(linear(3, 5), norm("batch-norm", 5), act("relu"), linear(5, 2), shape=(3,)),
    "layer norm": image(linear(3, 5), norm("layer-norm", 5), act("relu"), linear(5, 2), shape=(3,)),
    "layer norm of images": image(conv(4, 4), norm("layer-norm", 4), act("gelu"), *HEAD),
    "group norm": image(conv(4, 4), norm("group-norm", 4, groups=2), act("silu"), *HEAD),
    "rms norm": image(linear(3, 5), norm("rms-norm", 5, eps=1e-6), act("silu"), linear(5, 2), shape=(3,)),
    "softmax of channels": image(conv(4, 4), {"op": "softmax"}, *HEAD),
    "log softmax of tokens": image(*TOKENS, {"op": "softmax", "log": True}, linear(8, 3)),
    "steep leaky relu": image(conv(4, 4), act("leaky-relu", negative_slope=0.3), *HEAD),
    "layer scale": image(conv(4, 4), norm("layer-scale", 4), act("relu"), *HEAD),
    "layer scale of tokens": image(*TOKENS, norm("layer-scale", 8), act("tanh"), linear(8, 3)),
    "prelu": image(conv(4, 4), norm("prelu", 4), *HEAD),
    "prelu of tokens": image(*TOKENS, norm("prelu", 8), linear(8, 3)),
    "add of three": image(*BRANCHES[:1], conv(4, 4), conv(4, 4), {"op": "add", "inputs": ["0", "1", "2"]}, *HEAD),
    "concat": image(*BRANCHES, {"op": "concat", "inputs": ["b", "c"]}, {"op": "add", "inputs": ["3", "a"]}, *HEAD),
    "concat of vectors": image(
        linear(3, 2), linear(3, 4, inputs=["input"]), {"op": "concat", "inputs": ["0", "1"]}, linear(6, 2), shape=(3,)
    ),
    "tokens, flat": image(*TOKENS, act("relu"), {"op": "flatten"}, linear(72, 3)),
    "mean over tokens": image(*TOKENS, linear(8, 6), act("relu"), {"op": "mean-tokens"}, linear(6, 3)),
    "mixer without transposes": image(*TOKENS, norm("rms-norm", 8), {"op": "take-token", "token": 3}, linear(8, 3)),
    "words": image(*SEQUENCE, {"op": "mean-tokens"}, linear(8, 3), shape=(5,)),
    "attention": image(*SEQUENCE, *HEADS, {"op": "attention", "heads": 2, "inputs": ["q", "k", "v"]}, shape=(5,)),
    "causal attention": image(
        *SEQUENCE,
        {"op": "position-embedding", "tokens": 5, "features": 8, "id": "placed"},
        *HEADS,
        {"op": "attention", "heads": 4, "causal": True, "inputs": ["q", "k", "placed"]},
        linear(8, 7),
        shape=(5,),
    ),
    "vit with relu": vit(1, 8, 4, "relu"),
    "resnet-18": resnet18(),
    "vit": vit(),
}


def equal_torch(arch: Architecture, seed: int = 0, single: bool = True) -> None:
    """A batch of different networks gives what each gives alone, in both precisions; names are those of the modules."""
    networks = wb.Networks(arch, random_params(arch, 2, seed))
    x = random_inputs(arch, 3, seed)
    module = TorchGraph(arch).double().eval()
    expected = []
    for state in networks.state_dicts():
        module.load(state)
        expected.append(module(x))
    found = torch.stack(expected)
    torch.testing.assert_close(networks.forward(x), found, atol=1e-10, rtol=1e-10)
    apart = networks.forward(torch.stack([x, x.flip(0)]))
    torch.testing.assert_close(apart[1], networks[1].forward(x.flip(0))[0], atol=1e-10, rtol=1e-10)
    if single:
        rounded = wb.Networks(arch, networks.params.float()).forward(x.float())
        torch.testing.assert_close(rounded, found.float(), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", [name for name in ARCHITECTURES if name != "resnet-18"])
def test_architectures_equal_torch(name: str) -> None:
    equal_torch(ARCHITECTURES[name])


def test_every_operation_is_covered() -> None:
    named = {op.op for arch in ARCHITECTURES.values() for op in arch.operations}
    assert named == set(MODULES) == set(discriminators())


def discriminators() -> list[str]:
    schema = Architecture.model_json_schema()["properties"]["operations"]["items"]
    return list(schema["discriminator"]["mapping"])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(arch=graphs())
def test_random_graphs_equal_torch(arch: Architecture) -> None:
    equal_torch(arch, seed=1, single=False)  # a norm of two almost equal numbers is no matter of single precision


def test_resnet18_equals_the_one_written_by_hand() -> None:
    torch.manual_seed(0)
    module = ResNet18().double().train()
    x = torch.randn(3, 3, 33, 33, dtype=torch.float64)
    with torch.no_grad():
        module(x)  # moves the running statistics
    module.eval()
    arch = resnet18()
    state = {k: v for k, v in module.state_dict().items() if not k.endswith("num_batches_tracked")}
    assert list(state) == [t.name for t in arch.tensors]
    assert arch.num_params == 11_191_242 == sum(v.numel() for v in state.values())
    networks = wb.Networks(arch, torch.cat([v.flatten() for v in state.values()])[None])
    torch.testing.assert_close(networks.forward(x)[0], module(x), atol=1e-10, rtol=1e-10)
    loaded = wb.Networks.from_state_dicts(arch, [module.float().state_dict()])
    torch.testing.assert_close(loaded.forward(x.float())[0], module(x.float()), atol=1e-5, rtol=1e-5)


def test_a_vit_equals_torchs_encoder_layers() -> None:
    torch.manual_seed(0)
    module = ViT().double().eval()
    nn.init.normal_(module.token)
    nn.init.normal_(module.position)
    x = torch.randn(3, 1, 6, 6, dtype=torch.float64)
    named = module.named()
    networks = wb.Networks(vit(), torch.cat([value.flatten() for value in named.values()])[None])
    torch.testing.assert_close(networks.forward(x)[0], module(x), atol=1e-10, rtol=1e-10)


def test_values_are_let_go_once_nothing_reads_them() -> None:
    arch = ARCHITECTURES["concat"]
    assert sorted(value for done in arch.last_read for value in done) == [-1, *range(len(arch.operations) - 1)]


def test_older_json_keeps_its_bytes() -> None:
    """A manifest's architectures, of a release before operations had inputs, ids, groups or dilation."""
    kernel = {"kernel_size": [3, 3], "stride": 1, "padding": 1}
    operations = [
        {"op": "conv2d", "in_channels": 1, "out_channels": 4, **kernel, "bias": True},
        {"op": "activation", "name": "relu", "omega_0": 1.0},
        {"op": "pool2d", "kind": "max", "kernel_size": 2},
        {"op": "conv2d", "in_channels": 4, "out_channels": 4, **kernel, "bias": False},
        {"op": "add", "source": 2},
        {"op": "flatten"},
        {"op": "linear", "in_features": 36, "out_features": 36, "bias": True},
        {"op": "add", "source": 5},
        {"op": "global-avg-pool2d"},
    ]
    old = {"input_shape": [1, 6, 6], "operations": operations[:-1], "output_offset": 0.5}
    arch = Architecture.model_validate(old)
    assert json.dumps(arch.model_dump(mode="json")) == json.dumps(old)
    assert Architecture.model_validate_json(arch.model_dump_json()) == arch
    assert [t.name for t in arch.tensors] == ["0.weight", "0.bias", "3.weight", "6.weight", "6.bias"]
    assert arch.beyond_chain is None
    assert str(arch) == "cnn 1-4-4-36 relu"
    pooled = {"input_shape": [1, 6, 6], "operations": [operations[0], operations[-1]], "output_offset": 0.0}
    assert Architecture.model_validate(pooled).model_dump(mode="json") == pooled


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_json_round_trips(name: str) -> None:
    arch = ARCHITECTURES[name]
    again = Architecture.model_validate_json(arch.model_dump_json())
    assert again == arch
    assert hash(again) == hash(arch)
    assert again.layout == arch.layout


HUGE = 10**12
DOUBLED = {"op": "concat", "inputs": ["previous", "previous"]}


@pytest.mark.parametrize(
    ("operations", "message"),
    [
        ([linear(4, 4, inputs=["a"]), linear(4, 4, id="a")], "takes an earlier operation, not a"),
        ([linear(4, 4, inputs=["0"])], "takes an earlier operation, not 0"),
        ([linear(4, 4, inputs=["nowhere"])], "not nowhere"),
        ([linear(4, 4, id="a"), linear(4, 4, id="a")], "the id a is taken"),
        ([linear(4, 4, id="input")], "the id input is taken"),
        ([linear(4, 4, id="7")], "should match pattern"),
        ([linear(4, 4, inputs=["input", "input"])], "linear takes 1 inputs, is given 2"),
        ([linear(4, 4), {"op": "add"}], "add takes 2 or more inputs, is given 1"),
        ([linear(4, 4), {"op": "add", "source": -2}], "source of -1 or more"),
        ([linear(4, 4), {"op": "attention", "heads": 2, "inputs": ["0", "0", "0"]}], "attention takes"),
        ([linear(4, 4), norm("batch-norm", 5)], "batch-norm takes 5 channels"),
        ([linear(4, 4), norm("group-norm", 4, groups=3)], "do not divide"),
        ([linear(4, 4), norm("layer-norm", 4, eps=-1)], "greater than or equal to 0"),
        ([linear(4, 4), act("relu", approximate="tanh")], "approximate is for gelu"),
        ([linear(4, HUGE), linear(HUGE, HUGE), {"op": "hardmax"}], "does not match any of the expected tags"),
        ([linear(4, 4), *[DOUBLED] * 60], "stretches of neurons"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_name(operations: Operations, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        image(*operations, shape=(4,))


def test_a_claim_of_huge_layers_takes_no_memory() -> None:
    normed = norm("group-norm", HUGE, groups=HUGE // 2)
    arch = image(linear(4, HUGE), norm("batch-norm", HUGE), linear(HUGE, HUGE), normed, shape=(4,))
    assert arch.num_params > HUGE**2
    with pytest.raises(ValueError, match=r"params of shape \(1, 7\)"):
        wb.Networks(arch, torch.zeros(1, 7))
