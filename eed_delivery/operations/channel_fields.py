"""The settings of a kind of channel one by one, for a form or for questions at a terminal."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from eed_delivery.config.references import FORMAT

NESTED = "."


@dataclass(frozen=True, slots=True)
class ChannelField:
    """A setting by its dotted key: `queue.url` is `url` within `queue`. `schema` is its JSON Schema."""

    key: str
    schema: Mapping[str, Any]
    required: bool

    @property
    def default(self) -> Any:
        """What it is where it is not given. None: it has no default."""
        return self.schema.get("default")

    @property
    def choices(self) -> tuple[str, ...]:
        """The words that it takes. None are there if it takes others, too."""
        found = [one.get("enum") for one in self._forms() if one.get("type") != "null"]
        return tuple(map(str, found[0])) if len(found) == 1 and found[0] else ()

    @property
    def is_switch(self) -> bool:
        """Whether it is true or false."""
        return self.schema.get("type") == "boolean"

    @property
    def takes_json(self) -> bool:
        """Whether it is a list or a table, which a person writes as JSON."""
        return any(one.get("type") in ("array", "object") for one in self._forms())

    @property
    def is_secret(self) -> bool:
        """Whether it says where a secret is."""
        return any(one.get("format") == FORMAT for one in self._forms())

    @property
    def pattern(self) -> str:
        """What its text must look like, or ""."""
        return next((str(one["pattern"]) for one in self._forms() if "pattern" in one), "")

    def value_of(self, text: str) -> Any:
        """The setting as a person writes it. Raises ValueError for what should be JSON, and is none."""
        return value_of(text) if self.takes_json else text

    def _forms(self) -> list[Mapping[str, Any]]:
        return list(self.schema.get("anyOf", [self.schema]))


def fields_of(schema: Mapping[str, Any]) -> Iterator[ChannelField]:
    """Each setting that a schema names, those that are required first."""
    found = list(_walk(schema, schema, ""))
    yield from (one for one in found if one.required)
    yield from (one for one in found if not one.required)


def _walk(schema: Mapping[str, Any], root: Mapping[str, Any], above: str) -> Iterator[ChannelField]:
    required = set(schema.get("required", ()))
    for name, field in schema.get("properties", {}).items():
        target = _resolved(field, root)
        if "const" in field:
            continue
        if target.get("type") == "object" and "properties" in target:
            yield from _walk(target, root, f"{above}{name}{NESTED}")
        else:
            yield ChannelField(f"{above}{name}", {**target, **field}, name in required)


def _resolved(field: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = field.get("$ref")
    return field if reference is None else root["$defs"][reference.rpartition("/")[2]]


TEMPLATES = ("{{", "{%", "{#")
"""How a template begins, and no JSON."""


def value_of(text: str) -> Any:
    """A setting as a person writes it. What begins with [ or { is JSON, unless a template begins. Raises ValueError."""
    if not text.lstrip().startswith(("[", "{")) or text.lstrip().startswith(TEMPLATES):
        return text
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def text_of(settings: Mapping[str, Any], key: str) -> str:
    """A setting as a person writes it, "" where it is not given. A table may be given by its `url` alone."""
    found: Any = settings
    for name in key.split(NESTED):
        if isinstance(found, str) and name == "url":
            return found
        found = found.get(name) if isinstance(found, Mapping) else None
    if found is None or isinstance(found, str):
        return found or ""
    return json.dumps(found)


def settings_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by their dotted keys as a tree, as a table `[channel.NAME]` has them."""
    found: dict[str, Any] = {}
    for key, value in given.items():
        *tables, name = key.split(NESTED)
        table = found
        for one in tables:
            table = table.setdefault(one, {})
        table[name] = value
    return found


def flat(settings: Mapping[str, Any], above: str = "") -> list[tuple[str, str]]:
    """Each setting that is given, by its dotted key."""
    found: list[tuple[str, str]] = []
    for key, value in settings.items():
        if isinstance(value, Mapping):
            found += flat(value, f"{above}{key}{NESTED}")
        elif value is not None:
            found.append((f"{above}{key}", str(value)))
    return found
