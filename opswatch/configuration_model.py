"""What all models of `opswatch.yaml` are. Pure."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, model_validator


class Model(BaseModel):
    """A mapping of the file: unknown keys are faults, and a key with nothing behind it is as good as no key."""

    # Inputs hold secrets: pydantic must not put them into its messages.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, arbitrary_types_allowed=True)
    null_is_a_value: ClassVar[bool] = False

    @model_validator(mode="before")
    @classmethod
    def _without_empty_keys(cls, value: Any) -> Any:
        """People comment a section's content out."""
        if cls.null_is_a_value or not isinstance(value, dict):
            return value
        known = {field.alias or name for name, field in cls.model_fields.items()}
        return {key: content for key, content in value.items() if content is not None or key not in known}
