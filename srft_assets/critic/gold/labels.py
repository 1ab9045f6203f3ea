"""One gold label: what one annotator said of one step."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from srft_assets.refusal import excerpt_of

GIVEN = Literal["good", "unnecessary", "mistake", "recover"]
Key = tuple[str, int, str]


class GoldLabel(BaseModel):
    """What one annotator says of one step, as a row of a set. A misspelt key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    trajectory_id: str = Field(min_length=1)
    step_index: int = Field(ge=0)
    """From 0, as in the view `steps`."""
    label: GIVEN | None
    """None: the annotator looked at the step and skipped it."""
    annotator: str = Field(min_length=1)
    note: str = ""
    at: str | None = None
    """When the label was given or imported, ISO 8601."""

    @property
    def key(self) -> Key:
        """Step and annotator: a set holds one label for each."""
        return self.trajectory_id, self.step_index, self.annotator


GOLD_LABELS = pl.Schema(
    {
        "set": pl.String,
        "trajectory_id": pl.String,
        "step_index": pl.Int32,
        "label": pl.String,
        "annotator": pl.String,
        "note": pl.String,
    }
)
"""The asset `gold_labels`: all sets, one row a step and annotator."""


def parse_label(value: object) -> GoldLabel | str:
    """The label, or one line that says what is wrong with it."""
    try:
        return GoldLabel.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        given = excerpt_of(repr(first["input"])[:60])
        return f"{place} is {given}: {first['msg']}" if place else first["msg"]


def unfit(label: GoldLabel, steps: Mapping[str, int]) -> str | None:
    """Why the label fits no step, None where it fits; `steps`: steps of each run there is."""
    count = steps.get(label.trajectory_id)
    if count is None:
        return f"no batch holds run {excerpt_of(label.trajectory_id)}: ingest it first"
    if label.step_index >= count:
        return f"the run has no step {label.step_index}: its {count} steps are numbered from 0"
    return None


def gold_frame(name: str, labels: Iterable[GoldLabel]) -> pl.DataFrame:
    """Rows of one set."""
    rows: list[dict[str, Any]] = [
        {"set": name, **label.model_dump(exclude={"at"})} for label in labels
    ]
    return pl.DataFrame(rows, schema=GOLD_LABELS, orient="row")
