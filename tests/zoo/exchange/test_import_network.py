"""Modules of torch, traced: they compute the same, and describe folders of state dicts of their kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.onnx_models import mlp, reference, write
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

import weightbench as wb


class Block(nn.Module):
    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False), nn.BatchNorm2d(n_out)
        self.conv2, self.bn2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False), nn.BatchNorm2d(n_out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride > 1:
            self.downsample = nn.Sequential(nn.Conv2d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm2d(n_out))

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class ResNet(nn.Module):
    """As torchvision writes them, in place and all."""

    def __init__(self, widths: tuple[int, ...] = (4, 8)) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, widths[0], 7, 2, 3, bias=False), nn.BatchNorm2d(widths[0])
        self.relu, self.maxpool = nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)
        stages, before = [], widths[0]
        for width in widths:
            stages.append(nn.Sequential(Block(before, width, 1 if width == before else 2), Block(width, width, 1)))
            before = width
        self.stages, self.avgpool = nn.Sequential(*stages), nn.AdaptiveAvgPool2d(1)
        self.drop, self.fc = nn.Dropout(), nn.Linear(before, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stages(self.maxpool(self.relu(self.bn1(self.conv1(x)))))
        return self.fc(self.drop(torch.flatten(self.avgpool(x), 1)))


class Attention(nn.Module):
    def __init__(self, width: int, heads: int, causal: bool) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.heads, self.causal = heads, causal

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        q, k, v = (
            layer(x).view(batch, tokens, self.heads, width // self.heads).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        found = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return self.out(found.transpose(1, 2).reshape(batch, tokens, width))


class Encoder(nn.Module):
    def __init__(self, width: int = 8, *, causal: bool = False) -> None:
        super().__init__()
        self.norm1, self.norm2, self.attention = nn.LayerNorm(width), nn.LayerNorm(width), Attention(width, 2, causal)
        self.linear1, self.linear2 = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.linear2(F.gelu(self.linear1(self.norm2(x)), approximate="tanh"))


class SelfAttention(nn.Module):
    """torch's own, whose queries, keys and values are one layer."""

    def __init__(self, **given: Any) -> None:
        super().__init__()
        self.attention, self.given = nn.MultiheadAttention(8, 2, batch_first=True), given

    def forward(self, x: Tensor) -> Tensor:
        return self.attention(x, x, x, **self.given)[0]


class Packed(nn.Module):
    """One layer for queries, keys and values, and the softmax written out."""

    def __init__(self, heads: int = 2, split: str = "split", scale: float | None = None) -> None:
        super().__init__()
        self.qkv, self.out, self.heads, self.split = nn.Linear(8, 24), nn.Linear(8, 8), heads, split
        self.scale = (8 // heads) ** -0.5 if scale is None else scale

    def parts(self, x: Tensor) -> list[Tensor]:
        n, tokens, _ = x.shape
        y = self.qkv(x)
        match self.split:
            case "split":
                return [z.view(n, tokens, self.heads, -1).transpose(1, 2) for z in y.split(8, dim=2)]
            case "chunk":
                return [z.view(n, tokens, self.heads, -1).transpose(1, 2) for z in y.chunk(3, -1)]
            case "slice":
                places = (slice(0, 8), slice(8, 16), slice(16, 24))
                return [y[:, :, at].view(n, tokens, self.heads, -1).transpose(1, 2) for at in places]
        return y.reshape(n, tokens, 3, self.heads, 8 // self.heads).permute(2, 0, 3, 1, 4).unbind(0)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.parts(x)
        found = (q @ k.transpose(-2, -1) * self.scale).softmax(-1) @ v
        return self.out(found.transpose(1, 2).reshape(x.shape))


class Wrapped(nn.Module):
    """Gives a dictionary of one tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> dict[str, Any]:
        return {"outputs": (self.layer(x),), "loss": None}


class OneAtATime(Wrapped):
    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.view(1, 4))


class TokenNorm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer, self.norm = nn.Linear(8, 4), nn.BatchNorm1d(4)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.layer(x).mT).mT


class OneHead(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(8, 8) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        return ((self.q(x) / 8**0.5) @ self.k(x).mT).softmax(-1) @ self.v(x)


class Rotary(Packed):
    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.parts(x)
        angles = torch.arange(5.0)[:, None] * torch.tensor([1.0, 0.1, 1.0, 0.1])
        q, k = (z * angles.cos() + torch.cat([-z[..., 2:], z[..., :2]], -1) * angles.sin() for z in (q, k))
        return self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(x.shape))


class LearnedQueries(nn.Module):
    """Cross-attention: queries that are no tokens of the input."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k = nn.Parameter(torch.randn(1, 3, 8)), nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(self.q.expand(len(x), -1, -1), self.k(x), self.k(x))


class Mixes(nn.Module):
    """Right for one input, not for two."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(40, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.transpose(0, 1).reshape(len(x), -1))


class ViT(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patches, self.head = nn.Conv2d(1, 8, 2, 2), nn.Linear(8, 5)
        self.token, self.position = nn.Parameter(torch.randn(1, 1, 8)), nn.Parameter(torch.randn(1, 10, 8))
        self.layers = nn.Sequential(Encoder(), Encoder())

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.position
        return self.head(self.layers(x)[:, 0])


class Words(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(11, 8), nn.Parameter(torch.randn(6, 8))
        self.layer, self.head = Encoder(causal=True), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(self.words(x) + self.places).mean(1))


class Policy(nn.Module):
    """Observations normalised, two hidden layers, actions squashed."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.randn(6))
        self.register_buffer("std", torch.rand(6) + 0.5)
        self.net = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 2), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        return 2 * self.net((x - self.mean) / self.std)


MODULES: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "resnet": (ResNet(), (2, 3, 33, 33)),
    "vit": (ViT(), (2, 1, 6, 6)),
    "words": (Words(), (2, 6)),
    "policy": (Policy(), (2, 6)),
    "mlp with batch norm": (
        nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.BatchNorm1d(8), nn.SiLU(), nn.Linear(8, 3), nn.LogSoftmax(-1)),
        (2, 3, 4),
    ),
    "group norm": (
        nn.Sequential(nn.Conv2d(2, 4, 3, groups=2), nn.GroupNorm(2, 4), nn.LeakyReLU(0.2), nn.AvgPool2d(2), nn.ELU()),
        (2, 2, 6, 6),
    ),
    "prelu": (
        nn.Sequential(nn.Conv2d(2, 4, 3), nn.PReLU(4), nn.Flatten(), nn.Linear(64, 3), nn.PReLU(3)),
        (2, 2, 6, 6),
    ),
    "without scales": (
        nn.Sequential(nn.Linear(6, 4), nn.LayerNorm(4, elementwise_affine=False), nn.BatchNorm1d(4, affine=False)),
        (2, 6),
    ),
    "one layer twice": (nn.Sequential(*[nn.Linear(4, 4), nn.Softplus()] * 2), (2, 4)),
    "multi-head attention": (SelfAttention(), (2, 5, 8)),
    "multi-head attention, without weights": (SelfAttention(need_weights=False), (3, 5, 8)),
    "later tokens masked": (
        SelfAttention(need_weights=False, attn_mask=nn.Transformer.generate_square_subsequent_mask(5)),
        (2, 5, 8),
    ),
    "encoder layer": (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), (2, 5, 8)),
    "encoder": (
        nn.Sequential(
            nn.TransformerEncoder(
                nn.TransformerEncoderLayer(8, 4, 16, 0.1, "gelu", batch_first=True, norm_first=True),
                2,
                norm=nn.LayerNorm(8),
                enable_nested_tensor=False,
            ),
            nn.Flatten(),
            nn.Linear(40, 3),
        ),
        (2, 5, 8),
    ),
    "packed": (Packed(), (2, 5, 8)),
    "packed, one head": (Packed(1, "chunk"), (2, 5, 8)),
    "packed, sliced": (Packed(4, "slice"), (2, 5, 8)),
    "packed, unbound": (Packed(2, "unbind"), (2, 5, 8)),
    "batch norm of tokens": (TokenNorm(), (2, 5, 8)),
    "one head": (OneHead(), (2, 5, 8)),
    "a vector": (nn.Sequential(nn.Linear(4, 3), nn.Softmax(-1)), (4,)),
}


def vary(module: nn.Module) -> None:
    """Statistics and scales that are not those of a fresh module."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
    for parameter in module.parameters():
        if parameter.ndim == 1:
            parameter.data += 0.1 * torch.randn_like(parameter)


@pytest.mark.parametrize("name", MODULES)
def test_a_traced_module_computes_the_same(name: str) -> None:
    module, shape = MODULES[name]
    torch.manual_seed(0)
    vary(module)
    module.train()
    draw = torch.randint(11, shape) if name == "words" else torch.randn(shape)
    networks = wb.import_network(module, draw)
    assert all(part.training for part in module.modules())
    x = torch.randint(11, (5, *shape[1:])) if name == "words" else torch.randn(5, *shape[len(shape) > 1 :])
    with torch.no_grad():
        expected = module.eval()(x)
    found = networks.forward(x.float().reshape(-1, *networks.arch.input_shape))[0]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_torchvisions_names_are_kept() -> None:
    module = ResNet()
    arch = wb.import_network(module, torch.zeros(1, 3, 33, 33)).arch
    names = [tensor.name for tensor in arch.tensors]
    assert names == [name for name in module.state_dict() if not name.endswith("num_batches_tracked")]
    chain = wb.import_network(nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2)), torch.zeros(1, 4)).arch
    assert chain == wb.Architecture.mlp((4, 8, 2), "tanh")


KINDS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "resnet": (ResNet, (3, 33, 33)),
    "mlp": (
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(27, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2)),
        (3, 9),
    ),
    "encoder": (lambda: nn.Sequential(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), Packed()), (5, 8)),
}


@pytest.mark.parametrize("kind", ["pt", "safetensors"])
@pytest.mark.parametrize("name", KINDS)
def test_a_traced_module_describes_folders_of_its_state_dicts(name: str, kind: str, cli, tmp_path: Path) -> None:
    modules, (make, shape) = [], KINDS[name]
    for number in range(5):
        torch.manual_seed(number)
        modules.append(make())
        vary(modules[-1])
        (tmp_path / "nets").mkdir(exist_ok=True)
        file = tmp_path / f"nets/net{number}.{kind}"
        (torch.save if kind == "pt" else save_file)(modules[-1].state_dict(), file)
    x = torch.randn(3, *shape)
    arch = wb.import_network(modules[0], x).arch
    (tmp_path / "arch.json").write_text(arch.model_dump_json())
    given = ("zoo", "import", "state-dicts", tmp_path / "nets", "--name", "mine", "--out", tmp_path / "zoo")
    code, _, err = cli(*given, "--arch", tmp_path / "arch.json")
    assert (code, err) == (0, "")
    zoo = wb.load_zoo(tmp_path / "zoo")
    for split in zoo.splits.values():
        for output, file in zip(
            split.networks.forward(x.reshape(3, *arch.input_shape)), split.table["file"], strict=True
        ):
            expected = modules[int(file[3])].eval()(x)
            torch.testing.assert_close(output, expected.detach(), atol=1e-5, rtol=1e-5)


def test_a_tensor_in_a_dictionary_is_an_output_too() -> None:
    module, x = Wrapped(), torch.randn(5, 4)
    expected = module(x)["outputs"][0].detach()
    torch.testing.assert_close(wb.import_network(module, x).forward(x)[0], expected)


def test_weights_that_are_no_numbers_are_read_as_they_are() -> None:
    module = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    with torch.no_grad():
        module[0].weight[0, 0] = torch.nan
    assert wb.import_network(module, torch.zeros(1, 4)).params.isnan().sum() == 1


def test_a_file_is_one_network_too(tmp_path: Path) -> None:
    file = write(tmp_path / "net.onnx", mlp(4, 8, 3))
    networks = wb.import_network(file)
    x = torch.randn(1, 4)
    torch.testing.assert_close(networks.forward(x)[0], torch.from_numpy(reference(file, x.numpy())))


class Two(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x.relu(), x.tanh()


class Asks(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


@pytest.mark.parametrize(
    ("module", "shape", "message"),
    [
        (nn.LSTM(3, 4), (2, 5, 3), "LSTM: lstm: no network of a zoo has such operations"),
        (
            nn.TransformerEncoderLayer(8, 2, 16),
            (2, 3, 8),
            r"scaled_dot_product_attention \(.*\): attends to \[3, 2, 1, 4\]",
        ),
        (
            SelfAttention(need_weights=False, attn_mask=torch.randn(3, 3)),
            (2, 3, 8),
            r"scaled_dot_product_attention \(.*\): masks or biases what tokens attend to",
        ),
        (
            Packed(scale=1.0),
            (2, 5, 8),
            r"matmul \(matmul_1\): attends with scale 1, expected 1 / sqrt\(features\), 0.5",
        ),
        (Rotary(), (2, 5, 8), r"Rotary: .*: no network of a zoo has such operations"),
        (LearnedQueries(), (2, 5, 8), r"scaled_dot_product_attention \(.*\): its query is no computed value"),
        (OneAtATime(), (2, 4), r"OneAtATime: reads one input, but not two at once \(.*\)"),
        (Mixes(), (2, 5, 8), "Mixes: computes something else for two inputs than for each: it works across the batch"),
        (nn.Conv1d(2, 3, 3), (2, 2, 9), "conv1d: no network of a zoo has such operations"),
        (nn.Conv2d(2, 3, 3, stride=(1, 2)), (2, 2, 9, 9), r"conv2d \(conv2d\): stride \[1, 2\]: expected equal ones"),
        (nn.MaxPool2d(2, ceil_mode=True), (2, 2, 9, 9), "pools incomplete squares"),
        (nn.ReLU(), (2, 4), "at least one operation with parameters"),
        (nn.Linear(4, 3), (2, 5), "Linear: torch.export cannot trace it"),
        (Two(), (2, 4), "has 2 outputs, expected one computed value"),
        (Asks(), (2, 4), "Asks: torch.export cannot trace it"),
        (nn.Linear(4, 3), (), "give an example of its inputs"),
        (nn.Sequential(nn.Linear(3, 2), nn.PReLU()), (1, 3), r"prelu \(prelu\): has one slope for all channels"),
    ],
)
def test_what_cannot_be_read_is_named(module: nn.Module, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(wb.BadInput, match=message) as error:
        wb.import_network(module, torch.zeros(shape))
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(wb.BadInput, match=r"net\.onnx: no such file"):
        wb.import_network(tmp_path / "net.onnx")
