"""The base of all settings.

What pydantic makes of all these classes, before it can check a value, took a tenth of a function's start. So a section
is compiled when one is given. Most processes are given a few of the thirty.
"""

from functools import cached_property
from typing import Annotated, Any, Self, TypeVar, cast

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, TypeAdapter
from pydantic_core import CoreSchema, core_schema

T = TypeVar("T")


class Section(BaseModel):
    """One table of the TOML file. It is read once, never changed, and holds nothing that we don't know."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True)

    @classmethod
    def left_out(cls) -> Self:
        """The section where none is given. Defaults are not checked, so nothing is compiled for them."""
        return cast("Self", cls.model_construct())


class _OnDemand:
    """Checks a section with a compiled class of its own, and not as a part of what it is in."""

    def __get_pydantic_core_schema__(self, source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        """pydantic asks for it: https://docs.pydantic.dev/latest/concepts/types/#customizing-validation-with-__get_pydantic_core_schema__"""
        checker = _Checker(source)
        shown = core_schema.plain_serializer_function_ser_schema(checker.dump, info_arg=True)
        return core_schema.no_info_plain_validator_function(checker.check, serialization=shown)


class _Checker:
    def __init__(self, source: Any) -> None:
        self._source = source

    @cached_property
    def _adapter(self) -> TypeAdapter[Any]:
        return TypeAdapter(self._source)

    def check(self, given: Any) -> Any:
        """Each mistake keeps its place below the section."""
        return self._adapter.validate_python(given)

    def dump(self, value: Any, info: core_schema.SerializationInfo) -> Any:
        return self._adapter.dump_python(value, mode="json" if info.mode == "json" else "python")


OnDemand = Annotated[T, _OnDemand()]
"""A field whose section is compiled when one is given."""
