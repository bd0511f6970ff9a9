"""Settings under names of earlier releases. They still work. `check` and the log say which name to write now."""

from collections.abc import Iterator, Mapping
from typing import Any

from eed_delivery.config import tree
from eed_delivery.config.problems import variable, where
from eed_delivery.config.settings import OldName
from eed_delivery.config.tree import Key
from eed_delivery.errors import Problem

SECTIONS: Mapping[str, str] = {"outbox": "eml_folder"}
KIND: Key = ("transport", "kind")
KINDS: Mapping[str, str] = {"outbox": "eml_folder"}
DIRECTORY: Key = ("eml_folder", "directory")
OLD_DIRECTORY = "outbox"
"""Where the kind `outbox` wrote to without a directory of its own. It still does."""


def rename_sections(data: dict[str, Any], problems: list[Problem]) -> Iterator[OldName]:
    """Move a file's sections to their present names. A section that is there under both names is a mistake."""
    for old, new in SECTIONS.items():
        if old not in data:
            continue
        if new in data:
            problems.append(Problem(old, f"it is the old name of [{new}], which is there too", f"Keep only [{new}]."))
        else:
            data[new] = data[old]
            yield OldName(f"[{old}]", f"[{new}]")
        del data[old]


def rename_variables(environ: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """The environment under present names, and the name that each renamed variable had. Where both are set, the present
    name counts."""
    had = dict(_renamed(environ))
    moved = {now: environ[old] for now, old in had.items()}
    return moved | {name: value for name, value in environ.items() if name not in had.values()}, had


def _renamed(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name in environ:
        for old, new in SECTIONS.items():
            section, separator, rest = name.upper().partition("__")
            if section == variable((old,)):
                yield variable((new,)) + separator + rest, name


def rename_kind(data: dict[str, Any], origin: Mapping[Key, str]) -> Iterator[OldName]:
    """Give a transport its present name. Its files stay where they were."""
    old = tree.get(data, KIND)
    new = KINDS.get(old) if isinstance(old, str) else None
    if new is not None:
        tree.put(data, KIND, new)
        if tree.get(data, DIRECTORY) is None:
            tree.put(data, DIRECTORY, OLD_DIRECTORY)
        yield OldName(f'{where(KIND, origin)} = "{old}"', f'"{new}"')
