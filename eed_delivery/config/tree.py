"""Settings before they are checked, as nested tables from TOML."""

from collections.abc import Mapping
from typing import Any

Key = tuple[str, ...]


def get(data: Any, key: Key) -> Any:
    """The value at a key. None where there is none."""
    for name in key:
        data = data.get(name) if isinstance(data, dict) else None
    return data


def put(data: dict[str, Any], key: Key, value: Any) -> None:
    """Set a value, making the tables above it."""
    for name in key[:-1]:
        inner = data.get(name)
        if not isinstance(inner, dict):
            inner = data[name] = {}
        data = inner
    data[key[-1]] = value


def remove(data: Any, key: Key) -> None:
    """Take a value out. A fault within a list takes the whole list out."""
    for name in key[:-1]:
        if not isinstance(data.get(name), dict):
            key = (*key[: key.index(name)], name)
            break
        data = data[name]
    data.pop(key[-1], None)


def merge(data: dict[str, Any], over: Mapping[str, Any]) -> None:
    """Lay one tree over another, value by value."""
    for name, value in over.items():
        if isinstance(value, dict) and isinstance(data.get(name), dict):
            merge(data[name], value)
        else:
            data[name] = value
