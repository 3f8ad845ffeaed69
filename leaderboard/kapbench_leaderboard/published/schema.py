"""The form of published.json: tables of printed numbers, and the parts of the command for each."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

SCHEMA_VERSION = 2
Metric = Literal["PCK", "KAP", "PCK†", "concept PCK", "identity", "2-cycle PCK", "3-cycle PCK"]
Average = Literal["per point", "per image", "not stated"]
Grade = Literal["P", "2"]  # the paper's own number; a number of another paper's table
Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.+-]*$", max_length=60)]
Percent = Annotated[float, Field(ge=0, le=100)]  # ×100, as printed
Alpha = Annotated[float, Field(gt=0, le=1)]
Option = bool | int | float | str


class _Quoted(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Way(_Quoted):
    """One way to average: a rule, its average within a category, and that over categories."""

    rule: str
    average: str
    over: str

    def __str__(self) -> str:
        over = {"mean": "mean of the categories", "pair_weighted": "weighted by pairs"}
        return f"{self.rule}, per {self.average}, {over.get(self.over, self.over)}"


class Measure(_Quoted):
    """What repeats the numbers of a table, but for the model.

    `metric`: as scores name it, e.g. pck. `ways`: more than one where the source does not say how it
    averages; then a number is repeated by any of them, and categories are those of the first.
    `tolerance`, `category_tolerance`: of an average and of one category, in points of the number ×100.
    `model_options`: what the rule needs of every encoder. `differs`: what is known to differ from the
    published measurement, as a sentence.
    """

    dataset: str
    split: str = "test"
    dataset_options: dict[str, Option] = Field(default_factory=dict)
    model_options: dict[str, Option] = Field(default_factory=dict)
    metric: str = "pck"
    ways: tuple[Way, ...] = Field(min_length=1)
    tolerance: float = Field(gt=0)
    category_tolerance: float = Field(gt=0)
    differs: str = ""


class ModelParts(_Quoted):
    """A model as `kapbench run` takes it.

    `weights`: their address. `hub`: the repository on the hub that is downloaded without an option;
    None where `needs` names the options that the user must give, e.g. weights=FILE.
    """

    model: str
    options: dict[str, Option] = Field(default_factory=dict)
    weights: str
    hub: str | None = None
    needs: tuple[str, ...] = ()
    differs: str = ""


class Row(_Quoted):
    """The numbers of one method in a table.

    `values`: by alpha. `categories`: at the first alpha. `model`: a key of the file's models, where
    kapbench has the model; else `why_not`. Other fields replace those of the table.
    """

    name: Slug
    method: str
    values: dict[Alpha, Percent] = Field(min_length=1)
    categories: dict[str, Percent] = Field(default_factory=dict)
    model: str | None = None
    why_not: str = ""
    average: Average | None = None
    supervision: str | None = None
    grade: Grade | None = None


class Table(_Quoted):
    """A table as printed.

    `address`: where the numbers were read. `choices`: what the source says of how it measures, by the
    choice's name, e.g. image or prediction. `measure`: None where no command repeats any row, and
    `why_not` says why of those rows that do not themselves.
    """

    name: Slug
    source: str
    address: str
    table: str
    dataset: str
    metric: Metric
    average: Average
    subset: str
    supervision: str
    grade: Grade
    choices: dict[str, str] = Field(default_factory=dict)
    measure: Measure | None = None
    why_not: str = ""
    rows: tuple[Row, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _says_how_or_why_not(self) -> "Table":
        for row in self.rows:
            repeated = self.measure is not None and row.model is not None
            if bool(row.why_not) if repeated else not (row.why_not or self.why_not):
                raise ValueError(
                    f"row {row.name} needs either what repeats it (measure and model) or why_not"
                )
        if len({row.name for row in self.rows}) < len(self.rows):
            raise ValueError("two rows have the same name")
        return self


class Explanation(_Quoted):
    """Why published numbers of one model on one data set disagree, in our words."""

    method: str
    dataset: str
    text: str


class Quoted(_Quoted):
    """The whole file. `not_seen`: tables whose numbers could not be read, as sentences."""

    schema_version: Literal[2]
    about: str
    not_seen: tuple[str, ...]
    models: dict[Slug, ModelParts]
    tables: tuple[Table, ...]
    same_method: dict[str, str] = Field(default_factory=dict)  # other spellings of a method
    explanations: tuple[Explanation, ...] = ()

    @model_validator(mode="after")
    def _names_are_unique_and_known(self) -> "Quoted":
        if len({table.name for table in self.tables}) < len(self.tables):
            raise ValueError("two tables have the same name")
        for table in self.tables:
            for row in table.rows:
                if row.model is not None and row.model not in self.models:
                    raise ValueError(f"row {table.name}.{row.name} names an unknown model")
        return self

    def rows(self) -> Iterator[tuple[Table, Row]]:
        for table in self.tables:
            for row in table.rows:
                yield table, row
