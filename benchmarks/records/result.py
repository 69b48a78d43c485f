"""The result record: one JSON file per cell, validated on the way in and out. Torch-free."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, ValidationError, field_validator

from ...runtime.files import digest
from ...runtime.validation import first_error

MACHINE = ("cpu", "instructions", "gpu", "python", "torch")  # what of `environment` tells machines apart
SCORE_TOLERANCE = 1e-6  # relative: what processors may differ by


ProtocolName = Literal["supervised", "representation"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class Options(_Part):
    """What may be chosen about a task; boards never mix them.

    `split` is None where a zoo has one set of splits only, `target` where the task has a fixed one. `also` names
    the zoos that are tested on too, each as a `ZooIdentity` reads, with commas between them.
    """

    split: str | None = None
    target: str | None = None
    protocol: ProtocolName = "supervised"
    also: str | None = None

    @property
    def others(self) -> list[str]:
        """The zoos of `also`."""
        return self.also.split(",") if self.also else []

    def __str__(self) -> str:
        """For titles, after a task's name: " of test_accuracy (within-run, representation)"."""
        protocol = self.protocol if self.protocol != "supervised" else None
        said = [self.split, protocol, f"also on {', '.join(self.others)}" if self.also else None]
        found = ", ".join(text for text in said if text)
        return (f" of {self.target}" if self.target else "") + (f" ({found})" if found else "")


class TaskPart(_Part):
    """The task of a cell, its options resolved; unit and direction are those of its metric.

    `version` is the task's own number, and for one that is no part of the suite also names its source, as that of a
    method does: "1+0a1b2c3d4e5f". Of such a one alone `source_sha256` is the checksum of the file that defines it, and
    `reference` what `--task` took, a name or a path; both are information, no part of the identity.
    """

    name: str
    version: int | str
    options: Options
    metric: str
    unit: str
    higher_is_better: bool
    source_sha256: str | None = None
    reference: str | None = None

    @property
    def title(self) -> str:
        """The task with its options, as boards are headed."""
        return f"{self.name}{self.options}"

    @property
    def is_plug_in(self) -> bool:
        """Whether it is no part of the suite."""
        return isinstance(self.version, str)


class ZooPart(_Part):
    """The zoo of a cell. `reference` is what `--zoo` took: the name of a folder in the cache, or a path."""

    name: str
    version: str
    recipe_sha256: str
    manifest_sha256: str
    own_build: bool
    n_train: int
    n_val: int
    n_test: int
    reference: str | None = None


class MethodPart(_Part):
    """The method of a cell with every hyperparameter.

    `version` is the method's own, and for one that is no part of the suite also names its source, see
    `plug_in.version_of`. Information, no part of the identity: `source_sha256`, the checksum of the file that defines
    the method; `variant` and `recipe`, the settings of the model and of its training that differ from the method's
    defaults, in `recipe` "" for none and None where a record is too old to say; `reference`, what `weightbench run`
    took, a name or a path.
    """

    name: str
    version: str
    params: dict[str, Any]
    source_sha256: str
    paper: str = ""
    variant: str | None = None
    recipe: str | None = None
    reference: str | None = None

    @property
    def label(self) -> str:
        """The name, with the settings that differ from the method's defaults."""
        return self.name + (f" ({self.variant})" if self.variant else "")


class PredictionsPart(_Part):
    """The file of the stored predictions, beside the record, and of how many networks it is."""

    file: str
    sha256: str
    n: int


class _Environment(BaseModel):
    """What must be numbers of `Result.environment`; earlier records have not all of them, and all have more."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)
    threads: NonNegativeInt | None = None
    cores: NonNegativeInt | None = None
    jobs: NonNegativeInt | None = None
    load: NonNegativeFloat | None = None
    gflops: NonNegativeFloat | None = None


class CostPart(_Part):
    """Trained parameters, seconds of fit, networks per second of predict (after a warm-up), peak memory in MB.

    No machine has more than the bounds say.
    """

    parameters: int | None = Field(ge=0, le=10**13)
    fit_s: float = Field(ge=0, le=10**9, allow_inf_nan=False)
    predict_networks_per_s: float = Field(ge=0, le=10**12, allow_inf_nan=False)
    peak_memory_mb: int = Field(ge=0, le=10**8)


SymmetryName = Literal["permutation", "sign", "scale"]


class SymmetryPart(_Part):
    """The symmetry audit, of some test networks. Changes are in the spread of answers between networks.

    Earlier records have no `sensitivity`, `constant`, `draws` and `declared`, and in the others the largest change of
    one draw, in standard deviations of all outputs.

    Arguments:
        permutation, sign, scale: how far answers move, at worst, under that symmetry, which changes no network's
            function; None where no architecture has it.
        sensitivity: how far they move, in the median, where one hidden layer's neurons are reordered and the next layer
            does not follow, which changes the function; None without a hidden layer.
        constant: answers do not differ between networks, so that there are no figures.
        draws: random changes of each network, for each figure.
        declared: the symmetries that the method claims.
        score_change: of the headline metric, on these networks, under each symmetry.
    """

    permutation: float | None = None
    sign: float | None = None
    scale: float | None = None
    sensitivity: float | None = None
    constant: bool | None = None
    draws: int | None = None
    declared: list[SymmetryName] | None = None
    score_change: dict[SymmetryName, float | None] | None = None


class TrialPart(_Part):
    """A cell's place in a random search, as information: trial `number` of `of`, where trial 1 has the settings that
    were given. `search` identifies the search: the spec hash of that trial."""

    search: str
    number: int = Field(ge=1)
    of: int = Field(ge=2)


class CellSpec(NamedTuple):
    """What a cell asks, whatever its seed and machine: a method, with its settings, on a task of a zoo."""

    task: TaskPart
    zoo: ZooPart
    method: MethodPart

    @property
    def board(self) -> tuple[str, ...]:
        """Identifies the board that its results stand on, whatever the method."""
        task, zoo = self.task, self.zoo
        return task.name, str(task.version), str(task.options), zoo.name, zoo.version, zoo.recipe_sha256

    @property
    def hash(self) -> str:
        """Identifies it, in twelve hex digits."""
        return self._hash("version")

    @property
    def hash_of_schema_1(self) -> str:
        """The same as records of schema 1 had it: a method was identified by the checksum of its file."""
        return self._hash("source_sha256")

    def _hash(self, method_field: str) -> str:
        options = self.task.options.model_dump()
        if self.task.options.also is None:  # there was no such option when the first results were named
            del options["also"]
        spec = {
            "task": {"name": self.task.name, "version": self.task.version, "options": options},
            "zoo": self.zoo.model_dump(include={"name", "version", "recipe_sha256"}),
            "method": self.method.model_dump(include={"name", "params", method_field}),
        }
        return digest(spec)[:12]

    def record_path(self, seed: int, spec_hash: str = "") -> PurePath:
        """Of its record in a results folder: `<task>/<zoo>/<method>/<spec hash>/seed-<k>.json`."""
        names = (self.task.name, self.zoo.name, self.method.name)
        return PurePath(*names, spec_hash or self.hash, f"seed-{seed}.json")


class Result(_Part):
    """The outcome of one cell: (method, task, zoo, seed).

    Example:
        >>> import weightbench as wb
        >>> [result] = wb.run("weight-norms", task="property", zoo="digits-inrs", target="psnr")
        >>> result.task.title, result.task.metric, result.path.name
        ('property of psnr', 'pearson-r', 'seed-0.json')
        >>> wb.Result.model_validate_json(result.to_json()) == result
        True
    """

    schema_version: Literal[2] = Field(2, alias="schema")
    task: TaskPart
    zoo: ZooPart
    method: MethodPart
    seed: int
    trial: TrialPart | None = None
    status: Literal["ok", "failed", "oom"]
    error: str | None = None
    selection: dict[str, Any] | None = None
    budget: dict[str, Any] | None = None
    score: float | None = None
    scores: dict[str, float] | None = None
    symmetry: SymmetryPart | None = None
    predictions: PredictionsPart | None = None
    cost: CostPart | None = None
    curves: dict[str, list[float]] | None = None  # by name, one value per epoch
    environment: dict[str, Any]
    finished: str

    @field_validator("environment")
    @classmethod
    def _numbers(cls, environment: dict[str, Any]) -> dict[str, Any]:
        try:
            _Environment.model_validate(environment)
        except ValidationError as error:
            raise ValueError(": ".join(first_error(error))) from None
        return environment

    @property
    def spec(self) -> CellSpec:
        """What was asked."""
        return CellSpec(self.task, self.zoo, self.method)

    @property
    def path(self) -> PurePath:
        """Of the record in a results folder."""
        return self.spec.record_path(self.seed)

    @property
    def machine(self) -> str:
        """Tells machines apart, in eight hex digits, by all of `MACHINE`.

        Two of one model with the same software cannot be told apart, and count as one.
        """
        return digest({name: self.environment.get(name) for name in MACHINE})[:8]

    @property
    def code(self) -> str:
        """Identifies the code that made it, in eight hex digits: the method's file, and all code that can influence a
        result; of earlier records, which have no checksum of that, the commit."""
        known = self.environment.get("code_sha256") or self.environment.get("commit")
        return digest([self.method.source_sha256, known])[:8]

    def may_share_machine(self, other: Result) -> bool:
        """Whether nothing that both say of their machines tells them apart; older records do not say `instructions`."""
        pairs = {name: (self.environment.get(name), other.environment.get(name)) for name in MACHINE}
        return all(one == two or (name == "instructions" and None in (one, two)) for name, (one, two) in pairs.items())

    def to_json(self) -> bytes:
        """The content of the record's file."""
        return (self.model_dump_json(by_alias=True, indent=1) + "\n").encode()


def same_score(one: float | None, other: float | None) -> bool:
    """Whether two scores of the same predictions agree; None, no score, agrees with None alone."""
    if one is None or other is None:
        return one is other
    return abs(one - other) <= SCORE_TOLERANCE * max(1.0, abs(other))


def shown_unit(unit: str) -> str:
    """A task's unit as it is printed."""
    return {"1e-2": "x 10⁻²"}.get(unit, unit)
