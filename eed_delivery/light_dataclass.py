"""Dataclasses of the hot path that nobody changes.

A frozen dataclass sets each of its fields by a call of `object.__setattr__`. An email has some hundred fields on its
way, in seventeen objects. To make them took 9.9 µs of CPU in a loop, and takes 3.1 like other dataclasses. So it is
mypy that forbids to change these, not Python. Any other class is `@dataclass(frozen=True, slots=True)`.
"""

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def light_dataclass(cls: type[T]) -> type[T]:
    """Like `dataclass(frozen=True, slots=True)`, but for what guards its fields at runtime. It is equal to another one,
    and hashed, by its fields."""
    return dataclass(slots=True, unsafe_hash=True)(cls)
