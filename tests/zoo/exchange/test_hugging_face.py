"""Models by config.json and model.safetensors: they compute what the papers' architectures do, written out in torch."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

import weightbench as wb

State = dict[str, Tensor]
VIT: dict[str, Any] = {
    "model_type": "vit",
    "architectures": ["ViTForImageClassification"],
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-3,
    "image_size": 7,
    "patch_size": 3,
    "num_channels": 2,
    "hidden_dropout_prob": 0.1,
    "transformers_version": "5.24.0",
}
BERT: dict[str, Any] = {
    "model_type": "bert",
    "architectures": ["BertForSequenceClassification"],
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 12,
    "hidden_act": "gelu_new",
    "vocab_size": 11,
    "max_position_embeddings": 6,
    "type_vocab_size": 2,
    "is_decoder": False,
}
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "gelu_new": lambda x: 0.5 * x * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (x + 0.044715 * x**3))),
    "relu": F.relu,
    "silu": lambda x: x * x.sigmoid(),
}


def shapes(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Of a file's tensors."""
    vit, width, inner = config["model_type"] == "vit", config["hidden_size"], config["intermediate_size"]
    linear: dict[str, tuple[int, int]] = {"classifier": (3, width)}
    norms = ["vit.layernorm" if vit else "bert.embeddings.LayerNorm"]
    for number in range(config["num_hidden_layers"]):
        layer = f"{config['model_type']}.encoder.layer.{number}"
        own = f"{layer}.attention.{'attention' if vit else 'self'}"
        linear |= {f"{own}.{name}": (width, width) for name in ("query", "key", "value")}
        linear |= {f"{layer}.attention.output.dense": (width, width), f"{layer}.intermediate.dense": (inner, width)}
        linear |= {f"{layer}.output.dense": (width, inner)}
        named = ("layernorm_before", "layernorm_after") if vit else ("attention.output.LayerNorm", "output.LayerNorm")
        norms += [f"{layer}.{name}" for name in named]
    found: dict[str, tuple[int, ...]] = {}
    if vit:
        side, patch = config["image_size"] // config["patch_size"], config["patch_size"]
        found["vit.embeddings.cls_token"] = (1, 1, width)
        found["vit.embeddings.position_embeddings"] = (1, side * side + 1, width)
        found["vit.embeddings.patch_embeddings.projection.weight"] = (width, config["num_channels"], patch, patch)
        found["vit.embeddings.patch_embeddings.projection.bias"] = (width,)
    else:
        linear["bert.pooler.dense"] = (width, width)
        found["bert.embeddings.word_embeddings.weight"] = (config["vocab_size"], width)
        found["bert.embeddings.position_embeddings.weight"] = (config["max_position_embeddings"], width)
        found["bert.embeddings.token_type_embeddings.weight"] = (config["type_vocab_size"], width)
    for name, shape in linear.items():
        found |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return found | {f"{name}.{role}": (width,) for name in norms for role in ("weight", "bias")}


def write(folder: Path, config: dict[str, Any], seed: int = 0, **others: Tensor | None) -> State:
    """A model's folder, and its tensors."""
    folder.mkdir(parents=True)
    generator = torch.Generator().manual_seed(seed)
    state = {name: torch.randn(shape, generator=generator) / 2 for name, shape in shapes(config).items()}
    changed = {name.replace("__", "."): value for name, value in others.items()}
    stored = {name: value for name, value in (state | changed).items() if value is not None}
    (folder / "config.json").write_text(json.dumps(config))
    save_file(stored, folder / "model.safetensors")
    return state


def attention(config: dict[str, Any], state: State, own: str, x: Tensor) -> Tensor:
    """Softmax of QK^T / sqrt(d), times V, head by head (Vaswani et al. 2017, equation 1)."""
    q, k, v = (
        F.linear(x, state[f"{own}.{name}.weight"], state.get(f"{own}.{name}.bias"))
        for name in ("query", "key", "value")
    )
    heads = [
        (a @ b.mT / a.shape[-1] ** 0.5).softmax(-1) @ c
        for a, b, c in zip(*(y.chunk(config["num_attention_heads"], -1) for y in (q, k, v)), strict=True)
    ]
    return torch.cat(heads, -1)


def reference(config: dict[str, Any], state: State, x: Tensor) -> Tensor:
    """Dosovitskiy et al. (2021), equations 1 to 4; Devlin et al. (2019), with the layers of Vaswani et al. (2017)."""

    def linear(name: str, x: Tensor) -> Tensor:
        return F.linear(x, state[f"{name}.weight"], state[f"{name}.bias"])

    def norm(name: str, x: Tensor) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        scaled = centred / (x.var(-1, keepdim=True, correction=0) + config.get("layer_norm_eps", 1e-12)).sqrt()
        return scaled * state[f"{name}.weight"] + state[f"{name}.bias"]

    act = ACTIVATIONS[config["hidden_act"]]
    if config["model_type"] == "vit":
        patches = "vit.embeddings.patch_embeddings.projection"
        z = F.conv2d(x, state[f"{patches}.weight"], state[f"{patches}.bias"], config["patch_size"]).flatten(2).mT
        z = torch.cat([state["vit.embeddings.cls_token"].expand(len(x), 1, -1), z], 1)
        z = z + state["vit.embeddings.position_embeddings"]
        for number in range(config["num_hidden_layers"]):
            layer = f"vit.encoder.layer.{number}"
            read = attention(config, state, f"{layer}.attention.attention", norm(f"{layer}.layernorm_before", z))
            z = z + linear(f"{layer}.attention.output.dense", read)
            inner = act(linear(f"{layer}.intermediate.dense", norm(f"{layer}.layernorm_after", z)))
            z = z + linear(f"{layer}.output.dense", inner)
        return linear("classifier", norm("vit.layernorm", z)[:, 0])
    words, places = (state[f"bert.embeddings.{name}_embeddings.weight"] for name in ("word", "position"))
    z = norm("bert.embeddings.LayerNorm", words[x] + places + state["bert.embeddings.token_type_embeddings.weight"][0])
    for number in range(config["num_hidden_layers"]):
        layer = f"bert.encoder.layer.{number}"
        read = linear(f"{layer}.attention.output.dense", attention(config, state, f"{layer}.attention.self", z))
        z = norm(f"{layer}.attention.output.LayerNorm", z + read)
        inner = linear(f"{layer}.output.dense", act(linear(f"{layer}.intermediate.dense", z)))
        z = norm(f"{layer}.output.LayerNorm", z + inner)
    return linear("classifier", linear("bert.pooler.dense", z[:, 0]).tanh())


def inputs(config: dict[str, Any]) -> Tensor:
    if config["model_type"] == "bert":
        return torch.randint(config["vocab_size"], (4, config["max_position_embeddings"]))
    return torch.randn(4, config["num_channels"], config["image_size"], config["image_size"])


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("config", [VIT, BERT], ids=["vit", "bert"])
def test_a_model_computes_what_the_paper_says(config: dict[str, Any], activation: str, tmp_path: Path) -> None:
    config = config | {"hidden_act": activation}
    state = write(tmp_path / "model", config)
    x = inputs(config)
    networks = wb.import_network(tmp_path / "model")
    torch.testing.assert_close(networks.forward(x.float())[0], reference(config, state, x), atol=1e-5, rtol=1e-5)


def test_queries_keys_and_values_without_bias(tmp_path: Path) -> None:
    config = VIT | {"qkv_bias": False}
    absent = {
        name.replace(".", "__"): None for name in shapes(VIT) if name.endswith(("query.bias", "key.bias", "value.bias"))
    }
    state = write(tmp_path / "model", config, **absent)
    state = {name: value for name, value in state.items() if name.replace(".", "__") not in absent}
    x = inputs(config)
    found = wb.import_network(tmp_path / "model").forward(x)[0]
    torch.testing.assert_close(found, reference(config, state, x), atol=1e-5, rtol=1e-5)


def test_folders_of_models_make_one_zoo(cli, tmp_path: Path) -> None:
    states = {}
    for number in range(8):
        config = (VIT, BERT, VIT | {"num_hidden_layers": 1})[number % 3]
        states[f"m{number}"] = (config, write(tmp_path / f"models/m{number}", config, seed=number))
    given = ("zoo", "import", "hugging-face", tmp_path / "models", "--name", "mine", "--out", tmp_path / "zoo")
    code, _, err = cli(*given)
    assert (code, err) == (0, "")
    zoo = wb.load_zoo(tmp_path / "zoo")
    checked = 0
    for split in zoo.splits.values():
        start = 0
        for group in split.groups:
            for id, params in zip(split.table["id"][start : start + len(group)], group.params, strict=True):
                config, state = states[id]
                x = inputs(config)
                output = wb.Networks(group.arch, params[None]).forward(x.float())[0]
                torch.testing.assert_close(output, reference(config, state, x), atol=1e-5, rtol=1e-5)
                checked += 1
            start += len(group)
    assert checked == 8


def without(config: dict[str, Any], field: str) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name != field}


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "another family": (BERT | {"model_type": "llama"}, r"config\.json: model_type 'llama': read are bert, vit"),
    "no family": (without(VIT, "model_type"), r"config\.json: model_type None: read are bert, vit"),
    "no classifier's": (VIT | {"architectures": ["ViTModel"]}, r"architectures \['ViTModel'\]: no network"),
    "a decoder": (BERT | {"is_decoder": True}, r"is_decoder True: no network of a zoo has that, expected False"),
    "other positions": (BERT | {"position_embedding_type": "relative_key"}, "position_embedding_type relative_key"),
    "another activation": (VIT | {"hidden_act": "quick_gelu"}, "hidden_act: Input should be 'gelu'"),
    "a field is missing": (without(VIT, "hidden_size"), "hidden_size: Field required"),
    "heads that do not fit": (VIT | {"num_attention_heads": 3}, "attention takes .* of 3 heads"),
    "layers without end": (VIT | {"num_hidden_layers": 10**9}, "num_hidden_layers: .* less than or equal to 1000"),
    "a billion parameters": (BERT | {"vocab_size": 10**9}, "describes 8,0.* parameters, more than 100,000,000"),
    "another width": (VIT | {"intermediate_size": 16}, r"weight is \[12, 8\], config.json describes \[16, 8\]"),
    "a layer more": (VIT | {"num_hidden_layers": 3}, r"has no vit.encoder.layer.2.layernorm_before.weight"),
    "a layer less": (VIT | {"num_hidden_layers": 1}, r"vit.encoder.layer.1.*: no part of a model of type vit"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_one_line(name: str, tmp_path: Path) -> None:
    config, message = REFUSED[name]
    write(tmp_path / "model", BERT if "vocab_size" in config else VIT)
    (tmp_path / "model/config.json").write_text(json.dumps(config))
    with pytest.raises(wb.BadInput, match=message) as error:
        wb.import_network(tmp_path / "model")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"config\.json: is no config"),
        ("[1]", "holds a list"),
        ("[" * 10**5, "is no config"),
        (None, "is no config"),
    ],
)
def test_configs_that_are_none(content: str | None, message: str, tmp_path: Path, cli) -> None:
    for number in range(4):
        write(tmp_path / f"models/m{number}", VIT, seed=number)
    path = tmp_path / "models/m2/config.json"
    path.unlink() if content is None else path.write_text(content)
    given = ("zoo", "import", "hugging-face", tmp_path / "models", "--name", "mine", "--out", tmp_path / "zoo")
    code, out, err = cli(*given)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message.replace("\\", "") in err
    assert not (tmp_path / "zoo").exists()


def test_options_that_a_config_says_itself(refused: Callable[..., str], tmp_path: Path) -> None:
    write(tmp_path / "models/one", VIT)
    told = refused(tmp_path / "models", "--activation", "tanh", format="hugging-face")
    assert "--activation: a config.json says that itself: leave it out" in told
    (tmp_path / "empty").mkdir()
    assert "holds no" in refused(tmp_path / "empty", format="hugging-face")
