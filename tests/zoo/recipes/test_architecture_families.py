"""Families of architectures: what is drawn, what it is called, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.counted_work import shrunk

from weightbench import Networks
from weightbench.zoo.recipes.architecture_families import CNNFamily, TransformerFamily
from weightbench.zoo.recipes.catalogue import catalogue_entry

CNN: dict[str, Any] = {
    "family": "cnn",
    "draws": 9,
    "input_shape": (3, 16, 16),
    "outputs": 10,
    "stages": (1, 2, 3),
    "blocks": (1, 2),
    "width": (4, 8),
    "norm": ("batch", "group", "none"),
    "edges": ("residual", "plain"),
}


def operations(family: CNNFamily, **chosen: Any) -> list[str]:
    settings = {"kernel_size": 3, "norm": "batch", "edges": "residual", "activation": "relu"} | chosen
    (found,) = {
        **dict(family.model_copy(update={key: (value,) for key, value in settings.items()}).drawn("x"))
    }.values()
    return [operation.op for operation in found.operations]


def test_architectures_are_drawn_without_repetition_and_always_the_same() -> None:
    whole = dict(CNNFamily.model_validate(CNN | {"draws": 72}).drawn("cnn"))
    assert len(set(whole.values())) == len(whole) == 72
    drawn = dict(CNNFamily.model_validate(CNN).drawn("cnn"))
    assert len(drawn) == 9
    assert all(whole[name] == arch for name, arch in drawn.items())
    assert dict(CNNFamily.model_validate(CNN).drawn("cnn")) == drawn
    assert set(dict(CNNFamily.model_validate(CNN).drawn("other"))) != {name.replace("cnn", "other") for name in drawn}


def test_a_name_says_what_was_chosen() -> None:
    whole = dict(CNNFamily.model_validate(CNN | {"draws": 72}).drawn("cnn"))
    arch = whole["cnn-s3-b2-w8-group-plain"]
    assert [op.out_channels for op in arch.operations if op.op == "conv2d"] == [
        8,
        8,
        8,
        8,
        8,
        16,
        16,
        16,
        16,
        32,
        32,
        32,
        32,
    ]
    assert {op.groups for op in arch.operations if op.op == "group-norm"} == {2, 4, 8}
    assert not [op for op in arch.operations if op.op in ("add", "batch-norm")]
    assert arch.shapes[-3] == (32, 4, 4)
    residual = whole["cnn-s3-b2-w8-none-residual"]
    assert [op.kernel_size for op in residual.operations if op.op == "conv2d"].count((1, 1)) == 2
    assert sum(op.op == "add" for op in residual.operations) == 6
    assert whole["cnn-s1-b2-w8-none-residual"].beyond_chain is None, "methods of chains with residual edges read it"


def test_a_transformer_is_read_as_its_name_says() -> None:
    family = {
        "family": "transformer",
        "draws": 6,
        "input_shape": (1, 8, 8),
        "outputs": 10,
        "depth": (2,),
        "width": (8,),
    }
    choices = {"heads": (2,), "patch": (2, 4), "read": ("class", "mean", "last")}
    whole = dict(TransformerFamily.model_validate(family | choices).drawn("vit"))
    assert list(whole) == [f"vit-p{side}-{read}" for side in (2, 4) for read in ("class", "mean", "last")]
    for name, arch in whole.items():
        tokens = {"p2": 16, "p4": 4}[name.split("-")[1]] + name.endswith("class")
        assert {shape[0] for op, shape in zip(arch.operations, arch.shapes, strict=True) if op.op == "attention"} == {
            tokens
        }
        (last,) = [op for op in arch.operations if op.op in ("take-token", "mean-tokens")]
        assert getattr(last, "token", None) == {"class": 0, "mean": None, "last": tokens - 1}[name.split("-")[2]]
    rows = family | {
        "draws": 1,
        "input_shape": (3, 8, 5),
        "patch": ("row",),
        "causal": True,
        "heads": (2,),
        "read": ("last",),
    }
    (arch,) = dict(TransformerFamily.model_validate(rows).drawn("rows")).values()
    assert arch.tensors[0].shape == (8, 3, 1, 5)
    assert {shape for op, shape in zip(arch.operations, arch.shapes, strict=True) if op.op == "to-tokens"} == {(8, 8)}
    assert [op.causal for op in arch.operations if op.op == "attention"] == [True, True]
    assert Networks(arch, torch.randn(3, arch.num_params)).forward(torch.randn(2, 3, 8, 5)).shape == (3, 2, 10)


@pytest.mark.parametrize("name", ["digits-resnets", "digits-transformers", "wild-cnns"])
def test_a_standard_zoo_has_many_architectures_each_in_every_split(name: str) -> None:
    entry = catalogue_entry(name)
    architectures = entry.recipe.architectures
    assert entry.networks >= 1000
    assert len(architectures) >= 30
    assert all(size % len(architectures) == 0 for size in entry.splits.values())


@pytest.mark.parametrize(
    ("zoo", "change", "message"),
    [
        ("digits-resnets", "draws = 1000", "recipe: resnet: draws 1000 of 96 architectures"),
        ("digits-resnets", "stages = []", "stages: Tuple should have at least 1 item"),
        ("digits-resnets", "blocks = [0]", "blocks.0: Input should be greater than 0"),
        (
            "digits-resnets",
            'family = "rnn"',
            "'rnn' found using 'family' does not match any of the expected tags: 'cnn', 'transformer'",
        ),
        ("digits-resnets", "outputs = 10\nkernel_size = [2]", "kernel_size.0: Input should be 1, 3, 5 or 7"),
        ("digits-resnets", "outputs = 10\ndepth = [2]", "depth: unknown field"),
        ("digits-resnets", 'width = [9, 10]\nnorm = ["group"]', "9 channels do not divide by 2 groups"),
        ("digits-transformers", "heads = [3]", "attention takes (tokens, features) of 3 heads"),
        ("digits-transformers", "patch = [9]", "conv2d with kernel (9, 9) leaves nothing of (1, 8, 8)"),
        ("digits-transformers", 'read = ["class"]', "read class: a class token comes first"),
    ],
)
def test_a_family_that_cannot_be_is_one_line(tmp_path: Path, zoo: str, change: str, message: str, cli) -> None:
    key, _, value = change.partition(" = ")
    path = shrunk(zoo, tmp_path, **{key: value})
    code, out, err = cli("zoo", "build", path, "--out", tmp_path / "zoo")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err
