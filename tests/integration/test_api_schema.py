"""Every operation of the API's description, asked with values that fit its schema and others: each answer is one that
it has, and none is an error of the server. `make fuzz-api` asks more, and by Schemathesis."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from eed_delivery.access.rights import Right
from tests.examples import examples
from tests.operators_site import Site
from tests.world import World

DESCRIPTION = json.loads((Path(__file__).parents[2] / "eed_delivery" / "api" / "openapi.json").read_text())
OPERATIONS = [
    (method, path, operation)
    for path, methods in DESCRIPTION["paths"].items()
    for method, operation in methods.items()
    if path.startswith("/api/")
]
TEXTS = st.text(max_size=12) | st.sampled_from(["1", "1000", "default", "anna@example.com", "0123456789abcdef"])
ANYTHING: SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
SCALARS: dict[str, SearchStrategy[Any]] = {
    "boolean": st.booleans(),
    "null": st.none(),
    "number": st.floats(allow_nan=False, allow_infinity=False),
}


def fitting(schema: dict[str, Any]) -> SearchStrategy[Any]:
    """Values of a schema, as far as this description has them."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return st.deferred(lambda: fitting(DESCRIPTION["components"]["schemas"][name]))
    if "anyOf" in schema:
        return st.one_of(*map(fitting, schema["anyOf"]))
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kind = schema.get("type")
    if kind == "string":
        return _texts(schema)
    if kind == "integer":
        return st.integers(schema.get("minimum"), schema.get("maximum"))
    if kind == "array":
        return st.lists(fitting(schema["items"]), min_size=schema.get("minItems", 0), max_size=3)
    if kind == "object" and "properties" in schema:
        known = {name: fitting(one) for name, one in schema["properties"].items()}
        needed = {name: known.pop(name) for name in schema.get("required", ())}
        return st.fixed_dictionaries(needed, optional=known)
    return SCALARS.get(kind or "", ANYTHING)


def _texts(schema: dict[str, Any]) -> SearchStrategy[str]:
    if schema.get("format") == "date-time":
        return st.sampled_from(["2026-11-30T02:14:07Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
    if "pattern" in schema:
        return st.from_regex(schema["pattern"], fullmatch=True)
    return TEXTS.filter(lambda text: len(text) >= schema.get("minLength", 0))


def asked(schema: dict[str, Any]) -> SearchStrategy[Any]:
    """Mostly what fits."""
    return st.one_of(fitting(schema), fitting(schema), fitting(schema), ANYTHING)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """With a job of two emails."""
    directory = tmp_path_factory.mktemp("site")
    world = World(f"sqlite:///{directory}/ledger.sqlite3")
    world.add_job(["anna@example.com", "bert@example.com"])
    world.enlist()
    yield Site(world, directory, '[operators]\nlisten = "127.0.0.1:8027"\nrequests_per_minute = 1000000\n')
    world.close()


KEYS = itertools.count()


@settings(max_examples=examples(200), derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_every_answer_is_one_that_the_description_has(site: Site, data: st.DataObject) -> None:
    method, path, operation = data.draw(st.sampled_from(OPERATIONS))
    query = []
    for one in operation.get("parameters", ()):
        value = data.draw(asked(one["schema"]) if one["in"] != "path" else fitting(one["schema"]).map(str))
        if one["in"] == "path":
            path = path.replace(f"{{{one['name']}}}", quote(value.encode("utf-8", "replace"), safe="") or "1")
        elif one.get("required") or data.draw(st.booleans()):
            query += [(one["name"], json.dumps(v) if isinstance(v, bool) else str(v)) for v in _each(value)]
    body, media = None, "application/json"
    if "requestBody" in operation:
        media = data.draw(st.sampled_from(sorted(operation["requestBody"]["content"])))
        body = data.draw(asked(operation["requestBody"]["content"][media].get("schema", {})).map(json.dumps))
    token = site.token("admin", *(right.value for right in Right), name="all")
    where = f"{path}?{urlencode(query, errors='replace')}" if query else path
    answer = site.ask(method.upper(), where, body, token=token, media=media, Idempotency_Key=f"key-{next(KEYS)}")
    known = operation["responses"].get(str(answer.status_code))
    assert known is not None, (method, where, body, answer.status_code, answer.text)
    assert answer.status_code < 500, (method, where, body, answer.text)
    assert answer.mimetype in {*known["content"], "message/rfc822"}, (method, where)


def _each(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
