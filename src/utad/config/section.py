"""What all sections of the config have in common: frozen, and unknown keys are errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

Positive = Annotated[int, Field(ge=1)]
NonNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0.0, lt=1.0)]
Fraction = Annotated[float, Field(gt=0.0, lt=1.0)]


class Section(BaseModel):
    """A part of the config.

    Attributes:
        unwritten: settings that came later, with the value that stands for what was done before there was a choice: a
            config with that value is written, and known again, as it was then.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    unwritten: ClassVar[Mapping[str, Any]] = {}

    @model_serializer(mode="wrap")
    def _as_before(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = dump(self)
        return {name: value for name, value in values.items() if self.unwritten.get(name, ...) != value}
