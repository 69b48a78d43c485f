"""TOML files with something wrong: one line that names the field."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.counted_work import shrunk

from weightbench.zoo.recipes.catalogue import STANDARD


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("lr = 5e-4", "lr = 5e-4\nmomentum = 0.9"), "recipe.momentum: unknown field"),
        (("lr = 5e-4", "lr = -1"), "recipe.lr: Input should be greater than 0"),
        (("lr = 5e-4\n", ""), "recipe.lr: Field required"),
        (('kind = "inr"', 'kind = "gan"'), "recipe: "),
        (('name = "digits-inrs"', 'name = "digits"'), "should be called digits.toml"),
        (("steps = ", "steps = = "), "not TOML"),
        (('version = "1.0.0"', 'version = "one"'), "version: "),
        (('digits = "', 'digitz = "'), "did you mean digits"),
    ],
)
def test_a_wrong_recipe_file_is_one_line(tmp_path: Path, change: tuple[str, str], message: str, cli) -> None:
    path = tmp_path / "digits-inrs.toml"
    path.write_text((STANDARD / "digits-inrs.toml").read_text().replace(*change))
    code, out, err = cli("zoo", "build", path, "--out", tmp_path / "zoo")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert not (tmp_path / "zoo").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizer": '"adamw"'}, "optimizer 'adamw': there is adam, sgd, rmsprop"),
        ({"lr": "[-1.0]"}, "lr -1.0: a number from 0"),
        ({"lr": "{ uniform = [0.1, 1], choice = [1.0] }"}, "exactly one of"),
        ({"regular": "{ sizes = [2, 5, 2] }\n'deeper (3)' = { sizes = [2, 5, 5, 2] }"}, "String should match"),
        ({"repeats": "7"}, "splits share out 20 runs, the recipe makes 28"),
        ({"batch_size": "2000"}, "batch_size 2000 is more than the 1000 training items"),
        ({"regular": "{ sizes = [3, 5, 2] }"}, "source moons has items of shape (2,), the networks take (3,)"),
    ],
)
def test_a_recipe_of_runs_that_cannot_be_is_one_line(
    tmp_path: Path, changes: dict[str, str], message: str, eager: None, cli
) -> None:
    path = shrunk("moons-mlps", tmp_path, **changes)
    code, out, err = cli("zoo", "build", path, "--device", "cpu", "--limit", 3)
    assert (code, out) == (2, "")
    assert message in err.splitlines()[-1]
    assert not list(tmp_path.glob("moons-mlps@*"))
