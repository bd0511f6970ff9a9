"""Templates as bombs. Whatever is built of the sandbox's filters, tests, methods, operators and globals ends soon, as
text or as a RenderError, in bounded memory. They run in a process of their own, whose limits end it if they do not."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from jinja2 import Environment

from eed_delivery.rendering.filters import BINARY_OPERATORS, LEFT_OUT
from eed_delivery.rendering.sandbox import DICT_METHODS, LIST_METHODS, STR_METHODS
from eed_delivery.rendering.templates import HTML, TEXT
from tests.unit.rendering.bounded_child import OUT_OF_MEMORY, BoundedChild

SECONDS = 9
"""The budget's 5 s, and the step that they are noticed after."""

GROWN = "{% set ns = namespace(a=SEED) %}{% for i in range(40) %}{% set ns.a = STEP %}{% endfor %}"
"""What each round makes of `ns.a`; without our bounds most of these grow to 2 ** 40."""
VIEWS = GROWN.replace("SEED", "{'k': 'x'}").replace("STEP", "{'p': ns.a.items(), 'q': ns.a.items()}")
VALUES = GROWN.replace("SEED", "{'k': 'x'}").replace("STEP", "{'p': ns.a.values(), 'q': ns.a.values()}")
SPACES = GROWN.replace("SEED", "'x'").replace("STEP", "namespace(p=ns.a, q=ns.a)")
SET_LATER = (
    "{% set ns = namespace(a='x') %}{% for i in range(40) %}"
    "{% set new = namespace() %}{% set new.p = ns.a %}{% set new.q = ns.a %}{% set ns.a = new %}{% endfor %}"
)
CHAIN = (
    "{% set ns = namespace(a='x') %}{% for i in range(9000) %}"
    "{% set new = namespace() %}{% set new.p = ns.a %}{% set ns.a = new %}{% endfor %}"
)
RING = "{% set ns = namespace() %}{% set ns.a = ns %}"
MADE_TEXT = [
    *("{{ (ns.a ~ '')|length }}", "{{ (ns.a|string)|length }}", "{{ ('%s' % ns.a)|length }}"),
    *("{{ ('%s' % (ns.a,))|length }}", "{{ ('%(a)s' % {'a': ns.a})|length }}", "{{ ('{}'.format(ns.a))|length }}"),
    *("{{ ('{a!r}'.format(a=ns.a))|length }}", "{{ ('%s'|format(ns.a))|length }}", "{{ ([ns.a]|join)|length }}"),
    *("{{ ([1, 2]|join(ns.a))|length }}", "{{ ([ns.a]|map('string')|join)|length }}", "{{ (ns.a|upper)|length }}"),
    *("{% filter upper %}{{ ns.a ~ '' }}{% endfilter %}", "{{ ns.a is lower }}", "{{ [ns.a]|select('upper')|list }}"),
    *("{{ (ns.a|tojson)|length }}", "{{ (ns.a|urlencode)|length }}", "{{ (ns.a|e)|length }}", "{{ ns.a|wordcount }}"),
    *("{{ (ns.a|replace('a', 'b'))|length }}", "{{ ('a'|replace('a', ns.a))|length }}", "{{ (ns.a|trim)|length }}"),
    *("{{ ns.a|int }}{{ ns.a|float }}", "{{ ns.a == ns.a }}{{ ns.a != [ns.a] }}", "{{ ns.a in [ns.a, 1] }}"),
    *("{{ {}.get((ns.a,)) }}", "{{ {'a': 1}[(ns.a, 1)] }}", "{{ [ns.a, ns.a]|unique|list|length }}"),
    *("{{ [ns.a, ns.a]|sort|length }}", "{{ [ns.a].count([ns.a]) }}", "{{ [ns.a]|max == 1 }}"),
    *("{% macro m() %}{{ varargs ~ kwargs }}{% endmacro %}{{ m(ns.a, b=ns.a)|length }}",),
    *("{% for x in [1, 2] %}{{ loop.changed(ns.a) }}{% endfor %}", "{{ (ns ~ '')|length }}"),
]
NUMBERS = "{% set ns = namespace(a=[(10**9)**130] * 9999) %}{% set ns.a = ns.a + ns.a + ns.a + ns.a %}"
OTHERS = [
    *("{{ [1]|tojson(indent=10**9) }}", "{{ [[1]]|tojson(10**9) }}", "{{ [1]|tojson(indent='x' * 90000) }}"),
    "{{ ((range(10000)|list) * 9)|tojson(indent=16) }}",
    "{% set x = 'y' * 90000 %}" + "".join(f"{{% set a{n} = x[1:] %}}" for n in range(3000)),
    "{% set x = [1] * 90000 %}" + "".join(f"{{% set a{n} = x[1:] %}}" for n in range(3000)),
    "{% set n = (10**9)**130 %}{% set a %}" + "{% for i in range(9000) %}" * 2 + "{{ n }}" + "{% endfor %}" * 2
    + "{% endset %}",
    NUMBERS + "{{ (ns.a|string)|length }}",
    NUMBERS + "{{ (ns.a|join(','))|length }}",
    "{% set l = range(10000)|list %}" + "{% for i in l %}" + "{% if -1 in l %}{% endif %}" * 900 + "{% endfor %}",
    "{% set l = range(10000)|list %}" + "{% for i in l %}" + "{% if l|select('eq', -1)|list %}{% endif %}" * 90
    + "{% endfor %}",
    "{% set l = range(10000)|list %}" + "{% for i in l %}" + "{% set s = l|sort %}" * 90 + "{% endfor %}",
    "{% set l = range(10000)|list %}" + "{% for i in l %}" + "{{ l.count(-1) }}" * 900 + "{% endfor %}",
    "{{ range(10000)|map('string')|map('tojson')|map('tojson')|map('tojson')|list|length }}",
    *("{{ '%(a(b))999999999d' % {'a(b)': 1} }}", "{{ '%((a))*d'|format(**{'(a)': 1}) }}"),
    "{{ '%(a)%%9999d' % {'a': 1} }}",
    "{{ [[1, 2], [3]]|map('counted loop')|list }}",
    "{{ {'a': 1}.keys().mapping }}",
]  # fmt: skip


@pytest.fixture(scope="module")
def child() -> Iterator[BoundedChild]:
    bounded = BoundedChild()
    yield bounded
    bounded.close()


def check(child: BoundedChild, name: str, source: str, variables: object = None) -> str:
    outcome, seconds = child.render(name, source, variables)
    assert outcome == "text" or outcome.startswith("refused: "), outcome
    assert OUT_OF_MEMORY not in outcome
    assert seconds < SECONDS
    return outcome


@pytest.mark.parametrize("made", MADE_TEXT)
def test_what_is_nested_is_weighed_wherever_it_is_used(child: BoundedChild, made: str) -> None:
    for grown in (VIEWS, VALUES, SPACES, SET_LATER, CHAIN):
        check(child, TEXT, grown + made)
    check(child, HTML, SET_LATER + made)
    check(child, TEXT, RING + made)


@pytest.mark.parametrize("source", OTHERS)
def test_no_filter_slice_or_comparison_is_a_bomb(child: BoundedChild, source: str) -> None:
    assert check(child, TEXT, source).startswith("refused: ")


def test_numbers_of_an_email_are_charged_as_they_are_written(child: BoundedChild) -> None:
    """JSON keeps a number's spelling, of up to 1,000 characters: so does what is printed of it."""
    source = "{% set a %}" + "{% for i in range(9000) %}" * 2 + "{{ n }}" + "{% endfor %}" * 2 + "{% endset %}"
    assert "characters of text" in check(child, TEXT, source, {"n": "9" * 900})
    source = "{{ ([n] * 90000)|string|length }}"
    assert check(child, TEXT, source.replace("n", "12345678901234567890")).startswith("refused: ")


# What a template may be made of. `ns.a` is what has grown so far.
SCALARS = ["1", "0", "-1", "10**9", "2.5", "'x'", "''", "'%s'", "'{0}{0}'", "true", "none", "i"]
CONTAINERS = ["[]", "[1, 'b', 3]", "{'a': 1, 'b': [2]}", "('x', 'y')", "range(10000)", "namespace(a=1)", "d", "l"]
atoms = st.sampled_from(["ns.a", "ns.a", "ns.a", *SCALARS, *CONTAINERS])
VARIABLES = {"d": {str(n): {"k": [n] * 9} for n in range(300)}, "l": [{"a": n, "b": "<&'>" * 9} for n in range(300)]}


def _names(function: Callable[..., Any]) -> list[str]:
    try:
        names = list(inspect.signature(function).parameters)
    except ValueError:
        return []
    return [name for name in names if name not in ("context", "environment", "eval_ctx", "args", "kwargs", "self")][1:]


FILTERS = {name: _names(function) for name, function in vars(Environment())["filters"].items() if name not in LEFT_OUT}
TESTS = {name: _names(function) for name, function in vars(Environment())["tests"].items() if name.isidentifier()}
METHODS = sorted(STR_METHODS | DICT_METHODS | LIST_METHODS)
OPERATORS = [*BINARY_OPERATORS, "/", "//", "~", "==", "!=", "<", ">=", "in", "not in", "and", "or"]


@st.composite
def arguments(draw: st.DrawFn, names: list[str], inner: st.SearchStrategy[str]) -> str:
    given_names = draw(st.lists(st.sampled_from(names), unique=True, max_size=2)) if names else []
    by_place = draw(st.lists(inner, max_size=0 if given_names else 2))
    return ", ".join([*by_place, *(f"{name}={draw(inner)}" for name in given_names)])


@st.composite
def by_filter(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    name = draw(st.sampled_from(sorted(FILTERS)))
    return f"({draw(inner)})|{name}({draw(arguments(FILTERS[name], inner))})"


@st.composite
def by_test(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    name = draw(st.sampled_from(sorted(TESTS)))
    return f"(({draw(inner)}) is {name}({draw(arguments(TESTS[name], inner))}))"


@st.composite
def by_name(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    each = draw(st.sampled_from(["map", "select", "reject"]))
    name = draw(st.sampled_from(sorted(FILTERS if each == "map" else TESTS)))
    return f"({draw(inner)})|{each}('{name}', {draw(inner)})|list"


def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.tuples(inner, st.sampled_from(OPERATORS), inner)
    return st.one_of(
        by_filter(inner),
        by_filter(inner),
        by_test(inner),
        by_name(inner),
        pairs.map(lambda p: f"({p[0]} {p[1]} {p[2]})"),
        st.tuples(inner, inner).map(lambda p: f"[{p[0]}, {p[1]}]"),
        st.tuples(inner, inner).map(lambda p: f"({p[0]}, {p[1]})"),
        st.tuples(inner, inner).map(lambda p: f"{{'p': {p[0]}, 'q': {p[1]}}}"),
        st.tuples(inner, inner).map(lambda p: f"namespace(p={p[0]}, q={p[1]})"),
        st.tuples(inner, st.sampled_from(METHODS), inner).map(lambda p: f"({p[0]}).{p[1]}({p[2]})"),
        st.tuples(inner, st.sampled_from(METHODS)).map(lambda p: f"({p[0]}).{p[1]}()"),
        st.tuples(inner, inner).map(lambda p: f"({p[0]})[{p[1]}]"),
        inner.map(lambda one: f"({one})[1:]"),
    )


expressions = st.recursive(atoms, larger, max_leaves=6)


@st.composite
def templates(draw: st.DrawFn) -> str:
    """Something that grows in a loop, and then is used."""
    seed = draw(st.sampled_from([one for one in (*SCALARS, *CONTAINERS) if one != "i"]))
    step = draw(expressions)
    rounds = draw(st.sampled_from([3, 40, 1000]))
    grown = (
        f"{{% set ns = namespace(a={seed}) %}}{{% for i in range({rounds}) %}}{{% set ns.a = {step} %}}{{% endfor %}}"
    )
    return grown + draw(st.sampled_from(["{{ (%s)|length }}", "{{ %s }}", "{%% set x %%}{{ %s }}{%% endset %%}"])) % (
        draw(expressions)
    )


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(source=templates(), name=st.sampled_from([TEXT, HTML]))
def test_whatever_a_template_is_made_of_it_ends(child: BoundedChild, source: str, name: str) -> None:
    note(check(child, name, source, VARIABLES))
