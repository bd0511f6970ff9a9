"""One word, one thing: a public class name occurs once in the package."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import eed_delivery

PACKAGE = Path(eed_delivery.__file__).parent


def public_classes(package: Path) -> Iterator[tuple[str, str]]:
    """The name of each public class, and its place."""
    for file in sorted(package.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                yield node.name, f"{file.relative_to(package.parent)}:{node.lineno}"


def repeated(package: Path) -> list[str]:
    """A sentence for each public class name that occurs more than once."""
    places = defaultdict[str, list[str]](list)
    for name, place in public_classes(package):
        places[name].append(place)
    return [f"{name} is a class in {' and in '.join(where)}" for name, where in sorted(places.items()) if where[1:]]


def test_a_public_class_name_occurs_once() -> None:
    found = repeated(PACKAGE)
    assert not found, "Give each the name of its kind:\n" + "\n".join(found)


def test_a_repeated_name_is_reported_with_both_places(tmp_path: Path) -> None:
    package = tmp_path / "example"
    package.mkdir()
    (package / "first.py").write_text("class Answer:\n    class _Inner: ...\nclass _Part: ...\n")
    (package / "second.py").write_text("\nclass Answer: ...\nclass _Part: ...\nclass _Inner: ...\n")
    assert repeated(package) == ["Answer is a class in example/first.py:1 and in example/second.py:2"]
