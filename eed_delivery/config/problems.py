"""Pydantic's errors in words for the person who has to correct the configuration."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from eed_delivery.config.settings import Settings
from eed_delivery.config.tree import Key
from eed_delivery.errors import Problem

SHORTEST_SECRET = 4
"""Characters. Less may well be a part of any other word."""

# pydantic's error type → what is wrong, what would be right; the names in braces come with the error.
# https://docs.pydantic.dev/latest/errors/validation_errors/
WORDS: dict[str, tuple[str, str]] = {
    "int_parsing": ("{got} is not a whole number", "Give a whole number, without quotes."),
    "int_type": ("{got} is not a whole number", "Give a whole number, without quotes."),
    "int_from_float": ("{got} is not a whole number", "Give a whole number."),
    "float_parsing": ("{got} is not a number", "Give a number, without quotes."),
    "float_type": ("{got} is not a number", "Give a number, without quotes."),
    "finite_number": ("{got} is not a usable number", "Give a finite number."),
    "greater_than": ("{got} is too small", "Give more than {gt}."),
    "greater_than_equal": ("{got} is too small", "Give {ge} or more."),
    "less_than": ("{got} is too large", "Give less than {lt}."),
    "less_than_equal": ("{got} is too large", "Give {le} or less."),
    "literal_error": ("{got} is not one of the choices", "Give {expected}."),
    "bool_parsing": ("{got} is neither true nor false", "Give true or false, without quotes."),
    "bool_type": ("{got} is neither true nor false", "Give true or false, without quotes."),
    "string_type": ("{got} is not text", "Give text in quotes."),
    "path_type": ("{got} is not a path", "Give a path in quotes."),
    "string_pattern_mismatch": ("{got} has a form that is not allowed", "It must match {pattern}."),
    "tuple_type": ("{got} is not a list", 'Give a list, like ["a", "b"], also for one value.'),
    "too_short": ("{got} has too few values", "Give {min_length} or more."),
    "too_long": ("{got} has too many values", "Give {max_length} at most."),
    "dict_type": ("{got} is not a table", "Give a table of keys and values."),
    "model_type": ("{got} is not a section", "Write it as a [section] with its settings below."),
    "mistake": ("{what}", "{remedy}"),
}


def keys_of(error: ValidationError) -> Iterator[Key]:
    """The key of each mistake."""
    for detail in error.errors():
        yield tuple(str(part) for part in detail["loc"])


def problems_of(error: ValidationError, origin: Mapping[Key, str]) -> Iterator[Problem]:
    """Each mistake in plain words, with its key and, if it isn't the file, where its value came from."""
    for detail in error.errors():
        key = tuple(str(part) for part in detail["loc"])
        what, remedy = _words(detail, key, untold=_source(key, origin) is not None)
        yield Problem(where(key, origin), what, remedy)


def mistakes_of(error: ValidationError, model: type[BaseModel]) -> Iterator[tuple[Key, str, str]]:
    """Each mistake in settings of `model`, which is no part of `Settings`: its key, what is wrong, what to do.

    A value is not quoted: it may be a secret in the wrong place.
    """
    for detail in error.errors():
        key = tuple(str(part) for part in detail["loc"])
        if detail["type"] == "missing":
            yield key, "it is not set", "Set it."
        elif detail["type"] == "extra_forbidden":
            yield key, "there is no such setting", _nearest(key[-1], list(model.model_fields))
        else:
            what, remedy = _words(detail, key, untold=True)
            yield key, what, remedy


def _nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name.replace("-", "_").lower(), known, n=1)
    return f"Did you mean {close[0]}?" if close else f"Known here are {', '.join(known)}."


def _without(text: str, value: object) -> str:
    """`text` without the value. What came by a variable or credential may be a secret that was put into the wrong one,
    and errors go to the log. What is in the file is found again by its value."""
    if isinstance(value, str) and value:
        text = text.replace(repr(value), "the value")
        return text.replace(value, "the value") if len(value) >= SHORTEST_SECRET else text
    return text


def _source(key: Key, origin: Mapping[Key, str]) -> str | None:
    """The variable or credential that a setting came from. None means the file."""
    return next((origin[key[:n]] for n in range(len(key), 0, -1) if key[:n] in origin), None)


def where(key: Key, origin: Mapping[Key, str]) -> str:
    """`worker.threads`, or `worker.threads (from EED_WORKER__THREADS)`."""
    source = _source(key, origin)
    return f"{'.'.join(key)} (from {source})" if source else ".".join(key)


def _words(detail: ErrorDetails, key: Key, *, untold: bool) -> tuple[str, str]:
    if detail["type"] == "missing":
        return "it is not set", f"Set it in the file, or as {variable(key)}."
    if detail["type"] == "extra_forbidden":
        return "there is no such setting", suggestion(key)
    context: dict[str, Any] = {"got": "the value" if untold else _got(detail["input"], key)}
    for name, value in detail.get("ctx", {}).items():
        context[name] = f"{value:g}" if isinstance(value, float) else value
    what, remedy = WORDS.get(detail["type"], ("{got} cannot be used", "See docs/configuration.md."))
    what, remedy = what.format_map(context), remedy.format_map(context)
    return (_without(what, detail["input"]), _without(remedy, detail["input"])) if untold else (what, remedy)


def _got(value: object, key: Key) -> str:
    """The value, so that it is found again. Never a secret's, and never a long one."""
    if is_secret(key) or isinstance(value, SecretStr):
        return "the value"
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "a list"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def variable(key: Key) -> str:
    """The environment variable that overrides a setting."""
    return "EED_" + "__".join(key).upper()


def suggestion(key: Key) -> str:
    """The key that an unknown one may have been meant for."""
    *path, name = key
    siblings = _fields(Settings, tuple(path))
    if close := difflib.get_close_matches(name.replace("-", "_").lower(), siblings, n=1):
        return f"Did you mean {'.'.join([*path, close[0]])}?"
    owners = [section for section, field in Settings.model_fields.items() if name in _fields_of(field.annotation)]
    if owners:
        return f"It is a setting of {' and of '.join(f'[{owner}]' for owner in owners)}."
    return f"Known here are {', '.join(siblings)}." if siblings else "See docs/configuration.md."


def is_secret(key: Key) -> bool:
    """Whether a setting's value must never be shown."""
    *path, name = key
    fields = _model(Settings, tuple(path))
    field = fields.model_fields.get(name) if fields else None
    return field is not None and field.annotation in (SecretStr, SecretStr | None)


def _fields(model: type[BaseModel], path: Key) -> list[str]:
    found = _model(model, path)
    return list(found.model_fields) if found else []


def _fields_of(annotation: object) -> list[str]:
    is_model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return list(annotation.model_fields) if is_model else []  # type: ignore[attr-defined]


def _model(model: type[BaseModel], path: Key) -> type[BaseModel] | None:
    """The settings class that a path leads to. None if it leads to a value or nowhere."""
    for name in path:
        field = model.model_fields.get(name)
        annotation = field.annotation if field else None
        if not isinstance(annotation, type) or not issubclass(annotation, BaseModel):
            return None
        model = annotation
    return model


@dataclass(frozen=True, slots=True)
class Clash:
    """Settings that don't go together.

    It has their keys, what is wrong with the set of them, and what would be right.
    """

    keys: tuple[tuple[str, ...], ...]
    what: str
    remedy: str

    @classmethod
    def of(cls, dotted: tuple[str, ...], what: str, remedy: str) -> "Clash":
        """A clash between settings named like `worker.threads`."""
        return cls(tuple(tuple(key.split(".")) for key in dotted), what, remedy)
