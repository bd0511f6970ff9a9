"""The AWS provider's schema, read from the bindings for JavaScript that CDK Terrain generates from it.

The provider itself is in no package index. These bindings are on PyPI (cdktn-provider-aws, MPL-2.0) and have, of each
resource, every attribute with its type, whether a block repeats, and what AWS computes. What they do not have: which
values the provider accepts. Nothing of them is kept in this repository. The file is fetched once for all clones.
"""

import functools
import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements" / "terraform.txt"
FETCH_SECONDS = 300

_ENTRY = (
    r"^{indent}(\w+): \{{\n{indent}    value: (.*?),\n{indent}    isBlock: (true|false),\n"
    r'{indent}    type: "(\w+)",\n{indent}    storageClassType: "(\w+)"'
)
_OF_RESOURCE = re.compile(_ENTRY.format(indent=" " * 12), re.DOTALL | re.MULTILINE)
_OF_BLOCK = re.compile(_ENTRY.format(indent=" " * 8), re.DOTALL | re.MULTILINE)
_BLOCK = re.compile(r"^(?:export )?function (\w+)ToHclTerraform\(struct\) \{(.*?)^\}", re.DOTALL | re.MULTILINE)
_COMPUTED = re.compile(r"get \w+\(\) \{\n\s+return this\.get(\w+)Attribute\('(\w+)'\)")
_INTERFACE = re.compile(r"^export interface (\w+)(?: extends [\w.]+)? \{(.*?)^\}", re.DOTALL | re.MULTILINE)
_FIELD = re.compile(r"^    readonly (\w+)(\??): (.*?);$", re.DOTALL | re.MULTILINE)
_SIMPLE = {"string": "string", "number": "number", "boolean": "bool"}
_INNER = {
    "stringList": "string", "numberList": "number", "booleanList": "bool",
    "stringMap": "string", "anyMap": "string", "numberMap": "number", "booleanMap": "bool",
}  # fmt: skip
_COMPUTED_TYPES: dict[str, Any] = {
    "String": "string", "Number": "number", "Boolean": "bool", "List": ["list", "string"],
    "NumberList": ["list", "number"], "StringMap": ["map", "string"], "AnyMap": ["map", "string"],
    "BooleanMap": ["map", "bool"], "NumberMap": ["map", "number"],
}  # fmt: skip


class NoBindings(RuntimeError):
    """They are not here, and cannot be fetched."""


def folder() -> Path:
    """Where they are kept: outside of any clone, so that a new one need not fetch them again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "eed-delivery-tests" / "terraform"


def find() -> Path | None:
    """The wheel that the lock names, if it has been fetched."""
    found = folder() / f"cdktn_provider_aws-{_version()}-py3-none-any.whl"
    return found if found.exists() else None


def fetch() -> Path:
    """The wheel, fetched by pip if it is not there. Raises `NoBindings`."""
    found = find()
    if found is not None:
        return found
    folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder()) as fresh:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes", "--dest", fresh]
        try:
            done = subprocess.run([*pip, "-r", LOCK], capture_output=True, text=True, timeout=FETCH_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise NoBindings(f"pip has not fetched what {LOCK.name} names in {FETCH_SECONDS} s") from error
        if done.returncode:
            raise NoBindings(f"pip cannot fetch what {LOCK.name} names: {done.stderr.strip()[-300:]}")
        (wheel,) = Path(fresh).glob("*.whl")
        return wheel.replace(folder() / wheel.name)


def schema(names: frozenset[str]) -> Path:
    """A JSON file with the schema of these resources and data sources (`data.aws_region`), and of the provider.

    It is kept, because reading it takes some seconds. Raises `NoBindings`.
    """
    wheel = fetch()
    key = hashlib.sha256("\n".join([_version(), Path(__file__).read_text(), *sorted(names)]).encode()).hexdigest()[:16]
    path = folder() / f"schema-{key}.json"
    if not path.exists():
        with tempfile.NamedTemporaryFile("w", dir=folder(), suffix=".part", delete=False) as part:
            json.dump(_read(wheel, names), part)
        Path(part.name).replace(path)
    return path


@functools.cache
def _version() -> str:
    found = re.search(r"^cdktn-provider-aws==(\S+)", LOCK.read_text(), re.MULTILINE)
    assert found
    return found[1]


def _read(wheel: Path, names: frozenset[str]) -> dict[str, Any]:
    folders = {_folder_of(name): name for name in (*names, "provider")}
    files: dict[str, dict[str, str]] = {name: {} for name in folders.values()}
    for path, text in _sources(wheel, frozenset(folders)):
        files[folders[path.rpartition("/")[0]]][path.rpartition(".")[2]] = text
    unknown = [name for name, found in files.items() if set(found) != {"js", "ts"}]
    if unknown:
        raise NoBindings(f"the provider has no {', '.join(sorted(unknown))}")
    found = {name: _resource(of["js"], of["ts"]) for name, of in files.items()}
    version = re.search(r"providerVersion: '([\d.]+)'", next(files[name]["js"] for name in names))
    assert version
    return {"provider_version": version[1], "schemas": found}


def _folder_of(name: str) -> str:
    """Where the bindings have it: `aws_sqs_queue` in lib/sqs-queue, `data.aws_region` in lib/data-aws-region."""
    bare = name.replace("data.", "data_").removeprefix("aws_").replace("_", "-")
    return f"package/lib/{bare}"


def _sources(wheel: Path, folders: frozenset[str]) -> Iterator[tuple[str, str]]:
    with zipfile.ZipFile(wheel) as outer:
        bundle = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        with outer.open(bundle) as stream, tarfile.open(fileobj=stream, mode="r|gz") as inner:
            for member in inner:
                base, _, file = member.name.rpartition("/")
                if base in folders and file in ("index.js", "index.d.ts"):
                    content = inner.extractfile(member)
                    assert content
                    yield member.name, content.read().decode()


def _resource(js: str, ts: str) -> dict[str, Any]:
    start = js.index("synthesizeHclAttributes()")
    interfaces = dict(_INTERFACE.findall(ts))
    config = next((name for name in interfaces if re.search(rf"interface {name} extends .*MetaArguments", ts)), None)
    computed = _COMPUTED.findall(js[js.rindex("\nclass ", 0, start) : start])
    reader = _Reader(interfaces, dict(_BLOCK.findall(js)))
    return reader.block(js[start:], _OF_RESOURCE, config or next(iter(interfaces)), {tf: kind for kind, tf in computed})


class _Reader:
    def __init__(self, interfaces: Mapping[str, str], blocks: Mapping[str, str]) -> None:
        self._interfaces = interfaces
        self._blocks = blocks

    def block(
        self, body: str, pattern: "re.Pattern[str]", interface: str, computed: Mapping[str, str]
    ) -> dict[str, Any]:
        fields = {name.lower(): (opt == "", kind) for name, opt, kind in _FIELD.findall(self._interfaces[interface])}
        attributes: dict[str, Any] = {}
        blocks: dict[str, Any] = {}
        for name, value, is_block, kind, storage in pattern.findall(body):
            required, typed = fields.get(name.replace("_", ""), (False, "IResolvable"))
            of = re.search(r"(\w+)ToHclTerraform\b", value)
            if is_block == "true" and of and of[1] in self._blocks:
                inner = self.block(self._blocks[of[1]], _OF_BLOCK, of[1][0].upper() + of[1][1:], {})
                nesting = "single" if name == "timeouts" else kind
                most = 0 if "[]" in typed or "IResolvable" in typed else 1
                blocks[name] = {"nesting": nesting, "min": int(required), "max": most, **inner}
            else:
                attributes[name] = {"type": _type(kind, storage), "required": required}
        for name, kind in computed.items():
            if name not in attributes and name not in blocks:
                attributes[name] = {"type": _COMPUTED_TYPES.get(kind, "dynamic"), "computed_only": True}
        return {"attributes": attributes, "blocks": blocks}


def _type(kind: str, storage: str) -> Any:
    if kind == "simple":
        return _SIMPLE.get(storage, "dynamic")
    return [kind, _INNER.get(storage, "dynamic")] if kind in ("list", "set", "map") else "dynamic"
