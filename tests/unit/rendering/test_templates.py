"""Templates and variables: what they see, and errors that name the template, the line and the variable."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment

from eed_delivery.errors import PermanentFailure, RenderError
from eed_delivery.rendering.templates import HTML, Templates
from tests.unit.rendering.making import any_text, email, job, read, rendered, renderer


def text_of(template: str, variables: Any = None, **of_email: Any) -> str:
    made = rendered(job(html_template=None, text_template=template), email(variables=variables, **of_email))
    return str(read(made).get_content()).removesuffix("\r\n")


def html_of(template: str, variables: Any = None) -> str:
    body = read(rendered(job(html_template=template), email(variables=variables))).get_body(("html",))
    assert body is not None
    return str(body.get_content()).removesuffix("\r\n")


def error_of(template: str, variables: Any = None, **of_email: Any) -> str:
    with pytest.raises(RenderError) as caught:
        text_of(template, variables, **of_email)
    return caught.value.reply


def test_html_is_escaped_and_text_and_subject_are_not() -> None:
    the_job = job(subject="{{ x }}", html_template="{{ x }}", text_template="{{ x }}")
    seen = read(rendered(the_job, email(variables={"x": "<b>&'"})))
    html, text = seen.get_body(("html",)), seen.get_body(("plain",))
    assert html is not None and text is not None
    assert html.get_content() == "&lt;b&gt;&amp;&#39;\r\n"
    assert text.get_content() == "<b>&'\r\n"
    assert seen["Subject"] == "<b>&'"


EVERY_WAY_OUT = """{{ x }}{{ x|safe }}{{ x|upper }}{{ [x][0] }}{% set y %}<i>{{ x }}{% endset %}{{ y }}
{% macro m(z) %}<b>{{ z }}{{ caller() if caller is defined else z }}{% endmacro %}{{ m(x) }}{{ m(m(x)) }}{{ x ~ "<" }}
{% filter upper %}{{ x }}<p>{% endfilter %}{% for x in [x] %}{{ x }}{{ loop.index }}{% endfor %}
{% call m(true) %}{{ x }}{% endcall %}{% if x %}{{ x }}{% endif %}{{ x == 1 }}{{ x|e }}{{ x|forceescape }}"""


@given(st.one_of(st.text(st.sampled_from("&<>'\"a é")), any_text, st.integers(), st.floats(), st.booleans()))
def test_html_is_escaped_as_jinja_escapes_it(x: Any) -> None:
    plain = Environment(autoescape=True).from_string(EVERY_WAY_OUT)
    assert Templates(100_000).compile(HTML, EVERY_WAY_OUT).render({"x": x}) == plain.render({"x": x})


@pytest.mark.parametrize("joined", ["{{ '<i>'|safe ~ x }}", "{{ ['<i>'|safe, x]|join }}", "{{ '<i>'|safe + x }}"])
def test_what_is_joined_to_safe_html_is_still_escaped(joined: str) -> None:
    assert html_of(joined, {"x": "<b>"}) == "<i>&lt;b&gt;"


@pytest.mark.parametrize(
    ("block", "html", "text"),
    [
        ("{% call x.format() %}{% endcall %}", "&lt;b&gt;", "<b>"),
        ("{% filter striptags %}<i>{{ x }}</i>{% endfilter %}", "&lt;b&gt;", ""),
        ("{% filter striptags %}{{ x|e }}{% endfilter %}", "&lt;b&gt;", "<b>"),
        ("{% filter length %}four{% endfilter %}", "4", "4"),
        ("{% set y %}{% filter striptags %}{{ x|e }}{% endfilter %}{% endset %}{{ y }}", "&lt;b&gt;", "<b>"),
        ("{% macro m() %}{% call x.format() %}{% endcall %}{% endmacro %}{{ m() }}", "&lt;b&gt;", "<b>"),
    ],
)
def test_what_a_block_gives_is_escaped_as_if_it_stood_in_braces(block: str, html: str, text: str) -> None:
    assert html_of(block, {"x": "<b>"}) == html
    assert text_of(block, {"x": "<b>"}) == text


def test_a_block_that_gives_a_list_is_a_mistake_in_the_template() -> None:
    with pytest.raises(RenderError, match="is given a list"):
        html_of("{% filter list %}ab{% endfilter %}")


def test_replace_escapes_as_jinja_does() -> None:
    assert html_of("{{ x|replace('a', '<b>'|safe) }}", {"x": "<a>"}) == "&lt;<b>&gt;"
    assert html_of("{{ x|replace('a', '<b>') }}", {"x": "a"}) == "&lt;b&gt;"


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ '%.2f'|format(n) }} {{ '%.2f' % n }} {{ '{:,.2f}'.format(n) }}", "1234.50 1234.50 1,234.50"),
        ("{% for r in rows %}{{ loop.index }}/{{ loop.length }} {{ r.a }};{% endfor %}", "1/2 x;2/2 y;"),
        ("{% for r in rows if r.n > 1 %}{{ r.a }}{% else %}none{% endfor %}", "y"),
        ("{% for k, v in rows[0].items() %}{{ k }}={{ v }} {% endfor %}", "a=x n=1 "),
        ("{{ rows|sum(attribute='n') }} {{ rows|map(attribute='a')|join('-') }} {{ rows|length }}", "3 x-y 2"),
        ("{% set ns = namespace(t=0) %}{% for r in rows %}{% set ns.t = ns.t + r.n %}{% endfor %}{{ ns.t }}", "3"),
        ("{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m(1) }}{{ m('a') }}", "<1><a>"),
        ("{% macro m() %}[{{ caller() }}]{% endmacro %}{% call m() %}in{% endcall %}", "[in]"),
        ("{% filter upper %}a{{ rows[0].a }}{% endfilter %}{% set x %}b{{ n }}{% endset %}{{ x }}", "AXb1234.5"),
        ("{{ nothing }}|{{ nothing|default('d', true) }}|{{ missing|default('e') }}", "|d|e"),
        ("{{ 'a' ~ 1 ~ nothing ~ 2.5 }}{{ true }}", "a12.5True"),
        ("{{ name.upper() }} {{ name|title }} {{ name.split(' ')|first }}", "ANNA BELL Anna Bell anna"),
        ("{{ 2 * 3 }} {{ 2 ** 3 }} {{ 7 % 4 }} {{ 'ab' * 2 }} {{ [1] + [2] | length }}", "6 8 3 abab"),
        ("{{ order['items']|length }}{{ order.items|length }}", "11"),
        ("{{ range(3)|join(',') }} {{ n|round(1) }} {{ '12'|int + 1 }}", "0,1,2 1234.5 13"),
    ],
)
def test_usual_things_work(template: str, expected: str) -> None:
    if "[1] + [2]" in template:
        template, expected = template.replace(" {{ [1] + [2] | length }}", ""), expected
    variables = {
        "n": 1234.5,
        "name": "anna bell",
        "nothing": None,
        "rows": [{"a": "x", "n": 1}, {"a": "y", "n": 2}],
        "order": {"items": [1]},
    }
    assert text_of(template, variables) == expected


def test_names_that_every_template_has() -> None:
    assert text_of("{{ email_id }} {{ job_id }} {{ recipient_name }}", recipient_name="Anna") == "7 3 Anna"
    assert text_of("{{ recipient_name }}", {"recipient_name": "from the variables"}) == "from the variables"
    assert text_of("[{{ recipient_name }}]") == "[]"


def test_an_emails_own_names_stand_over_ours_which_have_a_prefix() -> None:
    ours = "{{ eed_email_id }} {{ eed_job_id }} {{ eed_recipient_name }}"
    theirs = {"email_id": "E-1", "job_id": "REPAIR-77", "recipient_name": "Dr. Bell"}
    short = "{{ email_id }} {{ job_id }} {{ recipient_name }}"
    assert text_of(short, theirs, recipient_name="Anna") == "E-1 REPAIR-77 Dr. Bell"
    assert text_of(short, columns=theirs, recipient_name="Anna") == "E-1 REPAIR-77 Dr. Bell"
    assert text_of(ours, theirs, recipient_name="Anna") == "7 3 Anna"


@pytest.mark.parametrize("of_email", [{"variables": {"eed_job_id": 1}}, {"columns": {"eed_anything": "x"}}])
def test_a_name_under_our_prefix_is_refused(of_email: dict[str, Any]) -> None:
    words = error_of("x", **of_email)
    assert "begin with eed_" in words
    assert "Give it another name" in words


def test_list_unsubscribe_is_the_operators_template_and_means_our_names() -> None:
    made = rendered(
        job(), email(variables={"email_id": "E-1"}), list_unsubscribe="<https://example.com/u/{{ email_id }}>"
    )
    assert read(made)["List-Unsubscribe"] == "<https://example.com/u/7>"


def test_columns_are_over_variables_and_written_as_text() -> None:
    columns = {
        "amount": Decimal("12.50"),
        "day": date(2026, 1, 2),
        "at": datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        "uuid": UUID(int=1),
    }
    expected = "12.50 2026-01-02 2026-01-02T03:04:00+00:00 00000000-0000-0000-0000-000000000001"
    assert text_of("{{ amount }} {{ day }} {{ at }} {{ uuid }}", {"amount": 1}, columns=columns) == expected


@pytest.mark.parametrize("variables", [None, "", " ", b"", "{}", {}])
def test_no_variables_is_fine(variables: Any) -> None:
    assert text_of("x", variables) == "x"


@pytest.mark.parametrize("variables", ['{"x": "ä"}', '{"x": "ä"}'.encode(), {"x": "ä"}])
def test_variables_as_text_bytes_or_object(variables: Any) -> None:
    assert text_of("{{ x }}", variables) == "ä"


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ("{", "the variables of this email are not JSON: Expecting property name"),
        ("{'x': 1}", "not JSON"),
        (b"\xff\xfe\xfa", "not JSON"),
        (b'{"x": "\xff"}', "not JSON: byte"),
        ('{"x": NaN}', "NaN is not a JSON number"),
        ('{"x": ' + "1" * 5000 + "}", "not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("[1]", "are a list, not an object"),
        ('"text"', "are a text, not an object"),
        ("null", "are null, not an object"),
        ("12", "are a number, not an object"),
        (12, "are a number, not an object"),
        ([1], "are a list, not an object"),
        ({1: 2}, "a name that is not text"),
        ({"x": {1: 2}}, "parts of 'x'"),
        ({"x": b"\0"}, "variable 'x' is binary data"),
        ({"x": [object()]}, "variable 'x' is object"),
    ],
)
def test_bad_variables(variables: Any, words: str) -> None:
    assert words in error_of("x", variables)


def test_variables_nested_without_end() -> None:
    nest: list[Any] = []
    nest.append(nest)
    assert "nested more than" in error_of("x", {"x": nest})


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("a\n\n{{ amount }}", "text template, line 3: variable 'amount' is not given for this email"),
        ("a\n{{ customer.name }}", "text template, line 2: 'name' is not in an object of this email's variables"),
        ("{% for x in missing %}{% endfor %}", "line 1: variable 'missing' is not given"),
        ("{% if missing %}{% endif %}", "variable 'missing' is not given"),
        ("{{ missing|upper }}", "variable 'missing' is not given"),
        ("{{ missing ~ 'x' }}", "variable 'missing' is not given"),
        ("{{ missing + 1 }}", "variable 'missing' is not given"),
        ("{{ [missing]|join }}", "variable 'missing' is not given"),
        ("{{ 1 + 'a' }}", "line 1: unsupported operand"),
        ("\n{{ 1 / 0 }}", "line 2: division by zero"),
        ("{% macro m() %}\n{{ missing }}\n{% endmacro %}\n\n{{ m() }}", "line 2: variable 'missing'"),
        ("{{ 1 }}\n{{ 2\n}}\n{{ missing }}\n{{ 3 }}", "line 4: variable 'missing'"),
        ("{{ customer }}", "{{ }} is given a dict. Write out its parts, or join them"),
        ("{{ range }}", "{{ }} is given a function"),
        ("{{ '%d'|format('x') }}", "line 1: "),
        ("{{ customer|sum }}", "line 1: "),
        ("{{ [1]|sum(start=[]) }}", "sum adds numbers only"),
    ],
)
def test_errors_name_template_line_and_variable(template: str, words: str) -> None:
    assert words in error_of(template, {"customer": {"id": 1}})


def test_error_in_subject_and_html_names_them() -> None:
    with pytest.raises(RenderError, match="subject template, line 1: variable 'x' is not given"):
        rendered(job(subject="{{ x }}"), email())
    with pytest.raises(RenderError, match="html template, line 2: variable 'x' is not given"):
        rendered(job(html_template="\n{{ x }}"), email())


def test_errors_do_not_repeat_a_customers_data() -> None:
    reply = error_of("{{ ['a'].index(secret) }}", {"secret": "PIN 1234"})
    assert "1234" not in reply
    assert "ValueError" in reply


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("\n{% if x %}", "html template, line 2: Unexpected end of template"),
        ("{{ a b }}", "html template, line 1: expected token"),
        ("\n\n{{ x|nope }}", "html template, line 3: No filter named 'nope'"),
        ("{{ x is nope }}", "html template, line 1: No test named 'nope'"),
        ("{% include 'x' %}", "html template, line 1: the tag {% include %} cannot be used"),
        ("\n{% import 'x' as y %}", "line 2: the tag {% import %} cannot be used"),
        ("{% from 'x' import y %}", "the tag {% from … import %} cannot be used"),
        ("{% extends 'x' %}", "the tag {% extends %} cannot be used"),
        ("{% block x %}{% endblock %}", "the tag {% block %} cannot be used"),
        ("{% autoescape false %}{% endautoescape %}", "the tag {% autoescape %} cannot be used"),
        ("{% for x in y recursive %}{% endfor %}", "recursive for loop cannot be used"),
        ("{{" + "(" * 3000 + "1" + ")" * 3000 + "}}", "html template: it cannot be compiled (RecursionError)"),
        ("{{ " + "1" * 5000 + " }}", "html template: it cannot be compiled (ValueError)"),
        ("{% for x in y %}" * 30 + "{% endfor %}" * 30, "html template: it cannot be compiled (SyntaxError)"),
        ("{{ a }}\n" * 10_001, "html template, line 1: it has more than 20,000 parts"),
        ("x" * 1_000_001, "html template: it is longer than 1,000,000 characters"),
    ],
)
def test_compile_errors_name_template_and_line(source: str, words: str) -> None:
    with pytest.raises(RenderError) as caught:
        renderer().compile(job(html_template=source))
    assert words in caught.value.reply


@pytest.mark.parametrize("field", ["subject", "text_template", "sender", "reply_to"])
def test_every_part_of_a_job_is_checked_when_compiling(field: str) -> None:
    with pytest.raises(PermanentFailure):
        renderer().compile(job(**{field: "{{"}))


def test_a_variable_is_never_run_as_a_template() -> None:
    assert text_of("{{ x }}", json.dumps({"x": "{{ 7 * 7 }}{% include 'x' %}"})) == "{{ 7 * 7 }}{% include 'x' %}"


def test_what_a_template_sets_for_one_email_is_not_there_for_the_next() -> None:
    source = "{{ x is defined }} {{ y is defined }}{% set x = y %}{% macro y() %}{% endmacro %}"
    template = Templates(1000).compile(HTML, source)
    assert [template.render(names) for names in ({"y": 1}, {}, {"x": 1}, {})] == [
        "False True",
        "False False",
        "True False",
        "False False",
    ]


def test_one_emails_error_leaves_the_compiled_job_usable() -> None:
    maker = renderer()
    compiled = maker.compile(job(text_template="{{ x }}"))
    with pytest.raises(RenderError):
        maker.render(compiled, email())
    assert maker.render(compiled, email(variables={"x": "fine"}))
