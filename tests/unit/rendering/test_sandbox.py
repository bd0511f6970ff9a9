"""Hostile templates: each must end in a RenderError soon, in bounded memory, or come to nothing."""

import resource
import time
from collections.abc import Callable

import pytest

from eed_delivery.errors import RenderError
from eed_delivery.rendering.budget import weight
from eed_delivery.rendering.templates import HTML, TEXT, Templates

TOO_MUCH = [
    "{{ 'a' * 10**9 }}",
    "{{ 10**9 * 'a' }}",
    "{{ [1] * 10**9 }}",
    "{{ 'a' * (10**9)|int }}",
    "{{ 9**9**9 }}{{ 9**(9**9) }}",
    "{% set ns = namespace(n=9) %}{% for i in range(60) %}{% set ns.n = ns.n * ns.n %}{% endfor %}",
    "{% for i in range(10**9) %}x{% endfor %}",
    "{% for i in range(10000) %}{% for j in range(10000) %}x{% endfor %}{% endfor %}",
    "{% for i in range(10000) %}{% for j in range(10000) %}{% endfor %}{% endfor %}",
    "{% for i in range(10000) if false %}{% endfor %}" * 30,
    "{% set x %}{% for i in range(10000) %}" + "y" * 1000 + "{% endfor %}{% endset %}",
    "{% set ns = namespace(x='aaaa') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
    "{% set ns = namespace(x='aaaa') %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
    "{% set ns = namespace(x=['aaaa']) %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
    "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x|upper }}",
    "{% set ns = namespace(x=1) %}{% for i in range(60) %}{% set ns.x = {'a': ns.x, 'b': ns.x} %}{% endfor %}",
    "{% set ns = namespace(x=1) %}{% for i in range(60) %}{% set ns.x = (ns.x, ns.x) %}{% endfor %}",
    "{% set ns = namespace(x='\\\\') %}{% for i in range(60) %}{% set ns.x = ns.x|tojson %}{% endfor %}",
    "{% set ns = namespace(x='a') %}{% for i in range(60) %}{% set ns.x = ns.x|replace('a', 'aa') %}{% endfor %}",
    "{% set ns = namespace(x='a') %}{% for i in range(60) %}{% set ns.x = '%s%s' % (ns.x, ns.x) %}{% endfor %}",
    "{% set ns = namespace(x='a') %}{% for i in range(60) %}{% set ns.x = '{0}{0}'.format(ns.x) %}{% endfor %}",
    "{% set a %}aaaa{% endset %}" + "{% set a %}{{ a }}{{ a }}{% endset %}" * 60,
    "{% set a = 'aaaa' %}" + "{% set a = a ~ a %}" * 60,
    "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% macro d(n) %}{% if n %}{{ d(n - 1, varargs, varargs) }}{% else %}{{ varargs|string }}{% endif %}{% endmacro %}"
    "{{ d(60, 'aaaa') }}",
    "{{ range(10000)|map(attribute='x', default='y' * 100000)|list|length }}",
    "{{ range(10000)|map(attribute='x', default='y' * 100000)|join }}",
    "{{ range(10000)|map('replace', '1', 'y' * 100000)|list }}",
    "{{ ('y' * 90000)|replace('y', 'z' * 10000) }}",
    "{{ ('y' * 90000)|replace('', 'z' * 10000) }}",
    "{{ ([1] * 90000)|join('z' * 10000) }}",
    "{{ '%0999999999d' % 1 }}",
    "{{ '%.999999999f' % 1 }}",
    "{{ '%*d' % (999999999, 1) }}",
    "{{ '%999999999s'|format('x') }}",
    "{{ '%(a)999999999s'|format(a='x') }}",
    "{{ ('%(a)s' * 1500)|format(a='x' * 400000) }}",
    "{{ '{:999999999}'.format(1) }}",
    "{{ '{:{w}}'.format(1, w=999999999) }}",
    "{{ ('{0}' * 3000).format('x' * 100000) }}",
    "{{ 1|round(-999999999) }}",
    "{{ 1.5|round(999999999, 'floor') }}",
    "{{ ('f' * 100000)|int(base=16) }}",
    "{{ ('<!-- -->' * 50000)|striptags }}",
    "{{ 'x' * 100001 }}",
    "{% set x = 'y' * 90000 %}" + "".join(f"{{% set a{n} = x ~ {n} %}}" for n in range(500)),
    "".join(f"{{% set a{n} = [1] * 50000 %}}" for n in range(500)),
    "{% set x = 'y,' * 45000 %}" + "".join(f"{{% set a{n} = x.split(',') %}}" for n in range(500)),
]

NOT_THERE = [
    *("{{ 'x'.ljust(10**9) }}", "{{ 'x'.rjust(10**9) }}", "{{ 'x'.center(10**9) }}", "{{ 'x'.zfill(10**9) }}"),
    *("{{ '\\t'.expandtabs(10**9) }}", "{{ 'x'.replace('x', 'y') }}", "{{ 'x'.join(['a', 'b']) }}"),
    *("{{ '{a}'.format_map({'a': 1}) }}", "{{ 'x'.translate({}) }}", "{{ 'x'.encode() }}", "{{ 'x'['ljust'](9) }}"),
    *("{{ (1).to_bytes(10**9) }}", "{{ {}.fromkeys(range(10)) }}", "{{ [].append(1) }}", "{{ {}.update({}) }}"),
    *(
        "{{ [1].sort() }}",
        "{{ ''.__class__ }}",
        "{{ ''['__class__'] }}",
        "{{ [].__class__.__base__.__subclasses__() }}",
    ),
    *(
        "{{ range.__globals__ }}",
        "{{ self.__init__ }}",
        "{{ self }}",
        "{{ namespace.__init__ }}",
        "{{ lipsum(10**9) }}",
    ),
    *("{{ dict(a=1) }}", "{{ cycler(1) }}", "{{ joiner() }}", "{{ '{0.__class__}'.format(1) }}"),
    *("{{ '{0[__class__]}'.format('x') }}", "{% macro m() %}{% endmacro %}{{ m.__globals__ }}"),
    *("{% for x in [1] %}{{ loop.__class__ }}{% endfor %}", "{{ [1]|map(attribute='__class__')|join }}"),
    *("{{ ['x']|map(attribute='ljust')|list }}", "{{ (range(9)|map('string')).gi_frame }}", "{{ 'a'.format.text.x }}"),
]

LEFT_OUT = [
    *(
        "batch(3)",
        "center(9)",
        "indent",
        "pprint",
        "slice(3)",
        "wordwrap",
        "xmlattr",
        "urlize",
        "random",
        "attr('upper')",
    ),
]


@pytest.fixture(autouse=True)
def little_memory(request: pytest.FixtureRequest) -> None:
    """What slips through the budget shows in the process's peak of memory, even if it was held for a moment only."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def check() -> None:
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert grown < 100_000, f"{grown} kB of memory for one template"

    request.addfinalizer(check)


def run(name: str, source: str, max_chars: int = 100_000) -> str:
    return Templates(max_chars).compile(name, source).render({})


@pytest.mark.parametrize(
    ("name", "source"), [*((TEXT, source) for source in TOO_MUCH), *((HTML, source) for source in TOO_MUCH[::4])]
)
def test_too_much_is_stopped(name: str, source: str) -> None:
    started = time.thread_time()
    with pytest.raises(RenderError, match="template"):
        run(name, source)
    assert time.thread_time() - started < 8  # the budget's 5 s, and the step it was noticed in


@pytest.mark.parametrize("source", NOT_THERE)
def test_what_leads_out_is_not_there(source: str) -> None:
    with pytest.raises(RenderError, match="template"):
        run(TEXT, source)


@pytest.mark.parametrize("name", LEFT_OUT)
def test_filters_left_out(name: str) -> None:
    with pytest.raises(RenderError, match="No filter named"):
        run(TEXT, f"{{{{ 'x'|{name} }}}}")


def test_output_is_capped_while_it_is_made() -> None:
    assert len(run(TEXT, "{% for i in range(1000) %}0123456789{% endfor %}", 10_000)) == 10_000
    with pytest.raises(RenderError, match="longer than 10,000 characters"):
        run(TEXT, "{% for i in range(1001) %}0123456789{% endfor %}", 10_000)


PUTS_OUT = [
    "0123456789",
    "{{ '0123456789' }}",
    "{% filter upper %}0123456789{% endfilter %}",
    "{% call around() %}0123456789{% endcall %}",
    "{{ m() }}",
]


@pytest.mark.parametrize("name", [TEXT, HTML])
@pytest.mark.parametrize("puts_out", PUTS_OUT)
def test_output_is_capped_whatever_puts_it_out(name: str, puts_out: str) -> None:
    """Without an end, so that only the cap on the way can stop it; the steps would, later, with other words."""
    macros = "{% macro m() %}0123456789{% endmacro %}{% macro around() %}{{ caller() }}{% endmacro %}"
    source = macros + "{% for i in range(10000) %}" * 2 + puts_out
    with pytest.raises(RenderError, match="longer than 10,000 characters"):
        run(name, source + "{% endfor %}" * 2, 10_000)


@pytest.mark.parametrize("name", [TEXT, HTML])
@pytest.mark.parametrize("x", ["y" * 90_000, "&" * 90_000])
def test_what_is_written_into_a_set_block_is_charged(name: str, x: str) -> None:
    source = "{% set a %}{{ x }}{% endset %}"
    assert Templates(100_000).compile(name, source * 11).render({"x": x}) == ""
    with pytest.raises(RenderError, match="it makes more than 1,000,000 characters"):
        Templates(100_000).compile(name, source * 12).render({"x": x})


def test_large_honest_template_is_fine() -> None:
    source = "{% for i in range(2000) %}<tr><td>{{ i }}</td><td>{{ '%.2f'|format(i) }}</td></tr>{% endfor %}"
    assert len(run(HTML, source)) > 50_000


def test_nothing_runs_while_compiling() -> None:
    """Jinja folds constants when it compiles; a hostile constant would run there, with no budget."""
    started = time.thread_time()
    for source in ("{{ '<'|replace('<', '>') }}", "{{ ('9' * 4000)|int ** 300 }}", "{{ 'a' * 10**9 }}"):
        Templates(100_000).compile(HTML, source)
    assert time.thread_time() - started < 1


@pytest.mark.parametrize("make", [list, lambda items: tuple(items), lambda items: dict(enumerate(items))])
def test_weight_counts_shared_parts_each_time_but_walks_them_once(make: Callable[[list[object]], object]) -> None:
    nest: object = "x" * 9
    for _ in range(500):
        nest = make([nest, nest])
    assert weight(nest, 10**6) > 10**6
    assert weight(make(["x" * 9, "y" * 9]), 10**6) in (21, 23)
