"""What has no value: printed as nothing or failing the email, and known by name in either case."""

from typing import Any

import pytest

from eed_delivery.errors import RenderError
from tests.unit.rendering.making import email, job, read, rendered, renderer
from tests.unit.rendering.test_templates import text_of

NULLS = {"balance": None, "order": {"total": None, "lines": [{"price": None}]}, "name": "Anna"}


def missing(template: str, html: str | None = None, **changes: Any) -> tuple[str, ...]:
    the_job = job(html_template=html, text_template=template)
    return rendered(the_job, email(variables=NULLS), **changes).missing


@pytest.mark.parametrize(
    ("template", "text", "names"),
    [
        ("{{ balance }}", "", ("balance",)),
        ("{{ order.total }}", "", ("order.total",)),
        ("{{ order['total'] }}", "", ("order.total",)),
        ("{{ order.get('total') }}", "", ("order.get",)),
        ("{% for line in order.lines %}{{ line.price }}{% endfor %}", "", ("line.price",)),
        ("{{ order.lines[0].price }}", "", ("order.lines.0.price",)),
        ("{{ 'EUR ' ~ balance }}", "EUR ", ("balance",)),
        ("{{ balance|upper }}{{ balance|trim|title }}", "", ("balance",)),
        ("{{ balance|safe }}{{ balance|e }}{{ balance|string }}", "", ("balance",)),
        ("{{ balance|float }}", "0.0", ("balance",)),
        ("{{ '%s' % balance }}{{ '%s'|format(balance) }}{{ '{}'.format(balance) }}", "", ("balance",)),
        ("{{ '%(b)s %(c)s'|format(b=balance, c=name) }}", "Anna", ("balance",)),
        ("{{ '%(b)s' % {'b': balance} }}{{ '%s%s' % (name, order.total) }}", "Anna", ("balance", "order.total")),
        ("{{ [name, balance]|join(',') }}", "Anna,", ("balance",)),
        ("{{ order.lines|map(attribute='price')|join }}", "", ("a part of a list",)),
        ("{{ balance if name }}", "", ("an expression",)),
        ("{% macro m(x) %}[{{ x }}]{% endmacro %}{{ m(balance) }}", "[]", ("x",)),
        ("{% set b %}{{ balance }}{% endset %}{{ b }}", "", ("balance",)),
        ("{{ recipient_name }}", "", ("recipient_name",)),
        ("{{ balance }}{{ order.total }}{{ balance }}", "", ("balance", "order.total")),
        ("{{ balance|default('-', true) }}{{ balance or '-' }}", "--", ()),
        ("{% if balance %}{{ balance }}{% else %}-{% endif %}{{ balance is none }}", "-True", ()),
        ("{{ name }}{% filter upper %}{{ name }}{% endfilter %}", "AnnaANNA", ()),
    ],
)
def test_what_has_no_value_is_printed_as_nothing_and_named(template: str, text: str, names: tuple[str, ...]) -> None:
    assert text_of(template, NULLS).strip() == text.strip()
    assert missing(template) == names


def test_both_bodies_and_the_subject_are_looked_at_and_a_name_counts_once() -> None:
    the_job = job(subject="{{ a }}", html_template="{{ b }}", text_template="{{ a }}{{ c }}")
    made = rendered(the_job, email(variables={"a": None, "b": None, "c": None}))
    assert made.missing == ("a", "b", "c")


@pytest.mark.parametrize("template", ["{{ balance }}", "{{ balance|float }}", "{{ 'EUR ' ~ balance }}"])
def test_it_may_fail_the_email_instead(template: str) -> None:
    with pytest.raises(RenderError, match="text template, line 2: balance has no value for this email"):
        missing("\n" + template, missing="fail")
    with pytest.raises(RenderError, match="html template, line 1: balance has no value"):
        missing("x", html=template, missing="fail")
    assert missing("{% if balance %}{{ balance }}{% endif %}{{ name }}", missing="fail") == ()


def test_nothing_of_one_email_is_left_for_the_next() -> None:
    maker = renderer()
    compiled = maker.compile(job(text_template="{{ a }}"))
    seen = [maker.render(compiled, email(variables={"a": a})).missing for a in (None, "x", None)]
    assert seen == [("a",), (), ("a",)]


# --- templates that are blank


BLANKS = ["", " \n ", "\u00a0\u3000\t", "\ufeff", "\u200b\r\n"]


@pytest.mark.parametrize("blank", BLANKS)
def test_a_blank_template_is_none(blank: str) -> None:
    for html, text in ((blank, None), (None, blank), (blank, blank)):
        with pytest.raises(RenderError, match="neither an HTML nor a text template, or they are blank"):
            renderer().compile(job(html_template=html, text_template=text))


@pytest.mark.parametrize("blank", BLANKS)
def test_beside_a_blank_text_the_text_is_made_from_the_html(blank: str) -> None:
    seen = read(rendered(job(html_template="<p>Balance 5</p>", text_template=blank), email()))
    plain = seen.get_body(("plain",))
    assert plain is not None
    assert plain.get_content().strip() == "Balance 5"


@pytest.mark.parametrize("blank", BLANKS)
def test_beside_a_blank_html_there_is_text_only(blank: str) -> None:
    seen = read(rendered(job(html_template=blank, text_template="Balance 5"), email()))
    assert seen.get_content_type() == "text/plain"
    assert seen.get_content().strip() == "Balance 5"
