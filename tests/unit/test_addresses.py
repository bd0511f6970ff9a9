"""One mailbox has one canonical form, however it is spelt, and two have two."""

import unicodedata
from collections.abc import Callable
from typing import Literal

import pytest
from hypothesis import HealthCheck, assume, event, example, given, settings
from hypothesis import strategies as st

from eed_delivery.addresses import NotAnAddress, canonical, listed, shown, wire_form
from eed_delivery.errors import RenderError
from eed_delivery.rendering import addresses as rendering

SPELLINGS = {
    "anna@example.com": [
        *("anna@example.com", "Anna@Example.COM", " anna@example.com", "anna@example.com\r", "anna@example.com\r\n"),
        *("anna@example.com\n", "\tanna@example.com", "\u00a0anna@example.com", "\u3000anna@example.com\u2003"),
        *("anna@example.com\x0b", "anna@example.com\x0c", "anna@example.com\x85", "anna@example.com\u2028"),
        *('"anna"@example.com', '"an\\na"@example.com', '"Anna"@EXAMPLE.com\t'),
        *("anna@ｅｘａｍｐｌｅ.com", "anna@example。com", "anna@EXAMPLE．COM"),
    ],
    '"a b"@example.com': ['"a b"@example.com', '"A B"@Example.com', '"a\\ b"@example.com\r'],
    '"a@b"@xn--bcher-kva.example': ['"a@b"@bücher.example', '"A@b"@BÜCHER.example'],
    "bob@xn--bcher-kva.example": [
        *("bob@bücher.example", "bob@BÜCHER.example", "bob@b\uff55\u0308cher.example", "bob@bu\u0308cher.example"),
        *("bob@xn--bcher-kva.example", "Bob@XN--BCHER-KVA.EXAMPLE", "BOB@Xn--Bcher-Kva.example\n"),
    ],
    "carlk@x.example": ["carl\u212a@x.example", "CarlK@x.example"],
    "ärger@x.example": ["ÄRGER@X.example", "A\u0308rger@x.example", "ärger@x.example"],
    "οδόσ@x.example": ["ΟΔΌΣ@x.example", "οδόσ@x.example"],
    "anna@xn--strae-oqa.example": ["anna@straße.example", "anna@STRAẞE.example"],
    "anna@strasse.example": ["anna@STRASSE.example"],
    "用户@xn--fsqu00a.example": ["用户@例子.example", "用户@例子。example"],
    "=x?@example.com": ["=x?@Example.com"],
}
BAD = ["", "  ", "anna", "anna@", "@", "a b@example.com", "an\rna@example.com", "a@example.com,b@example.com"]
BAD += [
    "Anna <a@example.com>",
    "a\u200b@example.com",
    "=?utf-8?b?YQ==?=@example.com",
    '"=?a"@example.com',
    "x" * 400,
    "\ud800@example.com",
]
BAD += ["a@" + "x" * 70 + ".example", "x" * 100_000 + "@example.com", "a@xn--zzzzzz.example", "a@b\x00.example"]


@pytest.mark.parametrize(("form", "spelt"), [(form, one) for form, all_ in SPELLINGS.items() for one in all_])
def test_spellings_of_one_mailbox_have_one_form(form: str, spelt: str) -> None:
    assert canonical(spelt) == form
    assert canonical(form) == form
    assert rendering.recipient(spelt, None).address == wire_form(spelt)


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_address_has_no_form_and_is_not_rendered(text: str) -> None:
    assert canonical(text) is None
    with pytest.raises(RenderError):
        rendering.recipient(text, None)


LETTERS = (
    st.sampled_from("aAäÄkK\u212aßẞςσΣİi1") | st.sampled_from("a\u0308.-xn１\u00ad\u200d'\"<>@\x00") | st.characters()
)
LOCAL = st.text(st.sampled_from("aAäÄkK\u212aßẞςσΣİi1"), min_size=1, max_size=3) | st.text(LETTERS, max_size=70)
DOMAIN = st.sampled_from(
    [
        *("x.example", "X.example", "bücher.example", "BÜCHER。example", "xn--bcher-kva.Example", "straße.example"),
        *("strasse.example", "ｘ.example", "k.example", "\u212a.example", "b\u00adk.example"),
    ]
)
SPACE = st.text(st.sampled_from(" \t\r\n\u00a0\u3000\x1c"), max_size=2)
TEXT = st.builds("{}{}@{}{}".format, SPACE, LOCAL, DOMAIN, SPACE)
ANY = TEXT | st.builds("{}@{}.example".format, LOCAL, st.text(LETTERS, max_size=5)) | st.text(LETTERS)


def on_the_wire(text: str) -> str | None:
    try:
        return rendering.recipient(text, None).address
    except RenderError:
        return None


def but_for_case(wire: str) -> tuple[str, str]:
    """A mailbox as the receiving host may tell it from others: letters that differ in case alone are the same."""
    local, _, domain = wire.rpartition("@")
    lower = [letter.lower() if len(letter.lower()) == 1 else letter for letter in local]
    return unicodedata.normalize("NFC", "".join(lower)), domain


@given(ANY)
@example("A\u0308@x.example")
@example("İ@x.example")
def test_the_form_is_that_of_the_wire_and_is_its_own_form(text: str) -> None:
    wire = on_the_wire(text)
    form = canonical(text)
    if wire is None:
        event("not rendered")
    else:
        assert form == canonical(wire) == canonical(str(form))


@given(TEXT, TEXT)
@settings(suppress_health_check=[HealthCheck.filter_too_much])
def test_two_mailboxes_have_two_forms(one: str, other: str) -> None:
    wires = on_the_wire(one), on_the_wire(other)
    assume(None not in wires)
    event(f"the same: {wires[0] == wires[1]}")
    same = but_for_case(str(wires[0])) == but_for_case(str(wires[1]))
    assert (canonical(one) == canonical(other)) == same


@given(TEXT, st.sampled_from([str.upper, str.lower, str.swapcase]), st.sampled_from(["NFC", "NFD"]), SPACE)
def test_a_mailbox_spelt_otherwise_has_the_same_form(
    text: str, case: Callable[[str], str], form: Literal["NFC", "NFD"], around: str
) -> None:
    """As people and other systems spell it: another case, another normal form, white space around."""
    other = around + unicodedata.normalize(form, "".join(map(case, text))) + around
    wires = on_the_wire(text), on_the_wire(other)
    if None not in wires and but_for_case(str(wires[0])) == but_for_case(str(wires[1])):
        assert canonical(text) == canonical(other)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (" Anna@Example.com\n", "anna@example.com"),
        ("*@Bücher.example", "@xn--bcher-kva.example"),
        ("*@example.com ", "@example.com"),
        ("@EXAMPLE.com", "@example.com"),
        ("*a@example.com", "*a@example.com"),
    ],
)
def test_an_entry_is_an_address_or_a_domain(text: str, form: str) -> None:
    assert listed(text) == form
    assert listed(shown(form)) == form


@pytest.mark.parametrize("text", [*BAD, "*@", "*@*.example", "*", "*@a b.example", "*@example.com,", "a@*.example"])
def test_what_is_neither_is_refused(text: str) -> None:
    with pytest.raises(NotAnAddress) as caught:
        listed(text)
    assert len(text.strip()) < 5 or text.strip() not in str(caught.value)


def test_a_bare_domain_is_refused_with_the_way_to_write_it() -> None:
    with pytest.raises(NotAnAddress, match=r"it is a domain\. .* \*@"):
        listed("example.com")
