"""A channel's settings from the command line: from options, from JSON, or asked for at a terminal."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from eed_delivery.cli.text_input import opened_text

_NESTED = "."


def assigned(values: Sequence[str]) -> dict[str, Any]:
    """`key=value` pairs as a tree. `queue.url=…` is `url` within `queue`. A value that begins with [ or { is JSON."""
    found: dict[str, Any] = {}
    for pair in values:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise click.UsageError(f"--set {pair}: write KEY=VALUE, like --set port=22 or --set queue.url=https://…")
        put(found, key.strip(), _value(pair, value))
    return found


def _value(pair: str, value: str) -> Any:
    if not value.lstrip().startswith(("[", "{")):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise click.UsageError(f"--set {pair}: the value begins like JSON, and is none: {error}") from error


def put(tree: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key. None removes it, and a table that is empty then."""
    name, nested, below = key.partition(_NESTED)
    if not nested:
        if value is None:
            tree.pop(name, None)
        else:
            tree[name] = value
        return
    table = tree.setdefault(name, {})
    if not isinstance(table, dict):
        raise click.UsageError(f"{name} is not a table, so {key} cannot be set")
    put(table, below, value)
    if not table:
        del tree[name]


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """`old` with what `new` sets, table by table."""
    both = dict(old)
    for key, value in new.items():
        before = both.get(key)
        both[key] = merged(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return both


def from_file(path: Path) -> dict[str, Any]:
    """Settings as one JSON object, from a file, or - for stdin."""
    with opened_text(path) as text:
        try:
            found = json.loads(text.stream.read())
        except ValueError as error:
            raise click.UsageError(f"{path}: this is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise click.UsageError(f"{path}: the settings are one JSON object")
    return found


def asked(schema: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """Ask for each setting of `schema` at the terminal, but for those that are `known`. Enter takes the default."""
    found: dict[str, Any] = merged(known, {})
    for key, field, required in _fields(schema):
        if _at(found, key) is None:
            put(found, key, _ask(key, field, required=required))
    return found


def asked_again(schema: Mapping[str, Any], known: Mapping[str, Any], wrong: Sequence[str]) -> dict[str, Any]:
    """Ask once more for the settings that were `wrong`, each a key or a table of keys.

    A refused answer may be a secret, so it is not offered again. Where no single setting is wrong, all are asked for,
    and Enter takes the answer that was given before.
    """
    found: dict[str, Any] = merged(known, {})
    fields = list(_fields(schema))
    refused = [one for one in fields if any(f"{one[0]}.".startswith(f"{key}.") for key in wrong)]
    for key, field, required in refused or fields:
        before = None if refused else _at(found, key)
        put(found, key, _ask(key, field, required=required, default=before))
    return found


def _ask(key: str, field: Mapping[str, Any], *, required: bool, default: Any = None) -> Any:
    standard = field.get("default") if default is None else default
    hint = f" ({', '.join(map(str, field['enum']))})" if "enum" in field else ""
    shown = None if required and standard is None else "" if standard is None else str(standard)
    answer = click.prompt(f"{key}{hint}", default=shown, show_default=bool(shown), err=True)
    if answer == "" or (standard is not None and str(answer) == str(standard) and default is None):
        return None  # the default is not written down: a later release may have a better one
    return _value(f"{key}={answer}", str(answer))


def _fields(schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    """Each setting by its dotted key, those that are required first."""
    found = list(_walk(schema, schema, ""))
    yield from (one for one in found if one[2])
    yield from (one for one in found if not one[2])


def _walk(
    schema: Mapping[str, Any], root: Mapping[str, Any], above: str
) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    required = set(schema.get("required", ()))
    for name, field in schema.get("properties", {}).items():
        target = _resolved(field, root)
        if "const" in field:
            continue
        if target.get("type") == "object" and "properties" in target:
            yield from _walk(target, root, f"{above}{name}{_NESTED}")
        else:
            yield f"{above}{name}", {**target, **field}, name in required


def _resolved(field: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = field.get("$ref")
    return field if reference is None else root["$defs"][reference.rpartition("/")[2]]


def _at(tree: Mapping[str, Any], key: str) -> Any:
    found: Any = tree
    for name in key.split(_NESTED):
        found = found.get(name) if isinstance(found, dict) else None
    return found
