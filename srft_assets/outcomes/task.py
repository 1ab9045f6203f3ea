"""A task, as a row of the SWE-bench instance schema."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator


class TaskInstance(BaseModel):
    """One SWE-bench instance.

    `files` is ours: for generated tasks, path → content of the whole repository at
    `base_commit`, so that no git hosting is needed. `test_command` likewise.
    """

    model_config = ConfigDict(extra="allow")

    instance_id: str
    repo: str
    base_commit: str
    problem_statement: str
    patch: str = ""
    test_patch: str = ""
    hints_text: str = ""
    version: str = ""
    environment_setup_commit: str = ""
    created_at: str = ""
    fail_to_pass: list[str] = Field(default_factory=list, alias="FAIL_TO_PASS")
    pass_to_pass: list[str] = Field(default_factory=list, alias="PASS_TO_PASS")
    files: dict[str, str] = Field(default_factory=dict)
    test_command: str = ""

    @field_validator("fail_to_pass", "pass_to_pass", mode="before")
    @classmethod
    def _from_json(cls, value: Any) -> Any:
        """SWE-bench's data sets hold these lists as JSON text."""
        if isinstance(value, str):
            import orjson

            return orjson.loads(value)
        return value
