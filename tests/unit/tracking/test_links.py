"""Signed addresses: what was signed comes back, and nothing else does."""

import random
import string
from base64 import urlsafe_b64encode
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eed_delivery.links.tokens import MAX_TOKEN, MAX_URL, ClickLink, Links, PixelLink, UnsubscribeLink, is_target
from eed_delivery.rendering.unsubscribe import unsubscribe_fields

BASE = "https://t.example.com"
KEY, OLD_KEY, OTHER_KEY = "k" * 32, "o" * 32, "x" * 32
LINKS = Links(BASE, [KEY])

ids = st.integers(min_value=1, max_value=2**63 - 1)
gens = st.integers(min_value=0, max_value=2**31 - 1)
printable = st.characters(min_codepoint=0x21, max_codepoint=0x7E)
targets = st.builds("{}://{}{}".format, st.sampled_from(["http", "https", "HTTPS"]), st.just("a"), st.text(printable))
names = st.text(max_size=50)
READERS = {"o": LINKS.read_pixel, "c": LINKS.read_click, "u": LINKS.read_unsubscribe}


def _token(url: str | None) -> str:
    assert url is not None
    return url.rsplit("/", 1)[1].removesuffix(".gif")


def _spelt(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _tokens(email_id: int = 7, gen: int = 2) -> dict[str, str]:
    return {
        "o": _token(LINKS.pixel(email_id, gen)),
        "c": _token(LINKS.click(email_id, gen, "https://shop.example/a?b=c#d")),
        "u": _token(LINKS.unsubscribe(email_id, gen, "news")),
    }


@given(ids, gens, targets, names)
def test_what_is_signed_comes_back(email_id: int, gen: int, target: str, category: str) -> None:
    assert LINKS.read_pixel(_token(LINKS.pixel(email_id, gen))) == PixelLink(email_id, gen)
    assert LINKS.read_click(_token(LINKS.click(email_id, gen, target))) == ClickLink(email_id, gen, target)
    url = LINKS.unsubscribe(email_id, gen, category)
    assert LINKS.read_unsubscribe(_token(url)) == UnsubscribeLink(email_id, gen, category)


@given(ids, gens, st.data())
def test_no_other_token_than_ours_is_accepted(email_id: int, gen: int, data: st.DataObject) -> None:
    purpose, token = data.draw(st.sampled_from(sorted(_tokens(email_id, gen).items())))
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters(codec="utf-8") | st.sampled_from(string.ascii_letters + string.digits + "-_.="))
    changed = {token[:at] + other + token[at + 1 :], token[:at] + other + token[at:], token[:at] + token[at + 1 :]}
    changed |= {token + other, other + token, token[:at], token * 2}
    for mutant in changed - {token}:
        assert READERS[purpose](mutant) is None


@pytest.mark.parametrize("last", string.ascii_letters + string.digits + "-_")
def test_the_spare_bits_of_base64_make_no_second_token(last: str) -> None:
    for purpose, token in _tokens().items():
        if not token.endswith(last):
            assert READERS[purpose](token[:-1] + last) is None


@pytest.mark.parametrize(("made_for", "given_to"), list(permutations("ocu", 2)))
def test_a_token_of_one_purpose_is_none_of_another(made_for: str, given_to: str) -> None:
    assert READERS[given_to](_tokens()[made_for]) is None
    assert READERS[made_for](_tokens()[made_for]) is not None


@pytest.mark.parametrize("purpose", ["c", "u"])
def test_even_the_same_fields_signed_for_another_purpose_are_not_accepted(purpose: str) -> None:
    assert LINKS.read_pixel(_token(LINKS._url("o", "1.0"))) == PixelLink(1, 0)
    assert LINKS.read_pixel(_token(LINKS._url(purpose, "1.0"))) is None


def test_a_token_longer_than_ours_is_not_even_looked_at() -> None:
    noise = "".join(random.Random(6).choices(string.ascii_letters, k=MAX_TOKEN))
    assert LINKS.read_unsubscribe(_token(LINKS._url("u", f"1.0.{_spelt(noise)}"))) is None


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_rubbish_is_no_token_and_no_exception(text: str) -> None:
    for read in READERS.values():
        assert read(text) is None


@pytest.mark.parametrize("size", [MAX_TOKEN, MAX_TOKEN + 1, 10_000_000])
def test_a_giant_token_is_none(size: int) -> None:
    for read in READERS.values():
        assert read("A" * size) is None
        assert read("." * size) is None


def test_after_a_change_of_keys_old_emails_still_work_until_the_old_key_goes() -> None:
    before, during, after = Links(BASE, [OLD_KEY]), Links(BASE, [KEY, OLD_KEY]), Links(BASE, [KEY])
    old, new = _token(before.pixel(7, 0)), _token(during.pixel(7, 0))
    assert during.read_pixel(old) == during.read_pixel(new) == after.read_pixel(new) == PixelLink(7, 0)
    assert after.read_pixel(old) is None
    assert before.read_pixel(new) is None
    assert Links(BASE, [OTHER_KEY]).read_pixel(new) is None


def test_what_one_tenant_signs_is_nothing_to_another_even_with_the_same_key() -> None:
    bank = Links(BASE, [KEY], "bank")
    for purpose, url in {
        "o": bank.pixel(7, 2),
        "c": bank.click(7, 2, "https://a/"),
        "u": bank.unsubscribe(7, 2),
    }.items():
        assert READERS[purpose](_token(url)) is None
    assert bank.read_pixel(_token(bank.pixel(7, 2))) == PixelLink(7, 2)


@pytest.mark.parametrize(
    "target",
    [
        "javascript:alert(1)",
        "//host/path",
        "/path",
        "ftp://host/",
        "data:text/html,x",
        "http://",
        "http:///path",
        "https:host",
        "httpſ://host/",
        "https:/\\host",
        "https://host/\r\nSet-Cookie: a=b",
        "https://host/\n",
        "https://host/a b",
        "https://host/ü",
        "https://host/\x00",
        "https://host/\x7f",
        " https://host/",
        "",
    ],
)
def test_only_absolute_http_of_printable_ascii_is_a_target(target: str) -> None:
    assert not is_target(target)
    assert LINKS.click(1, 0, target) is None


def test_a_token_that_we_signed_for_a_target_of_another_time_is_checked_again() -> None:
    assert LINKS.read_click(_token(LINKS._url("c", f"1.0.{_spelt('javascript:alert(1)')}"))) is None
    assert LINKS.read_click(_token(LINKS._url("c", f"1.0.{_spelt('https://a/')}"))) == ClickLink(1, 0, "https://a/")


@pytest.mark.parametrize(
    "said", ["", "1", "1.", ".1", "1.0.", "1.0.x", "1.0.x.y", "-1.0", "1.0x", "١.0", "1" * 20 + ".0"]
)
def test_a_signed_token_of_another_shape_is_none(said: str) -> None:
    if said.isascii():
        assert LINKS.read_pixel(_token(LINKS._url("o", said))) is None
    assert LINKS.read_pixel(f"{said}.{'A' * 22}") is None


def test_a_click_or_an_unsubscription_without_its_text_is_none() -> None:
    assert LINKS.read_click(_token(LINKS._url("c", "1.0"))) is None
    assert LINKS.read_unsubscribe(_token(LINKS._url("u", "1.0"))) is None


def test_an_address_that_would_grow_too_long_is_not_made() -> None:
    made = {n: LINKS.click(1, 0, "https://a/" + "x" * n) for n in range(1, MAX_URL)}
    longest = max(n for n, url in made.items() if url)
    assert 1_400 < longest < 1_500
    assert all((url is not None) == (n <= longest) for n, url in made.items())
    assert all(len(url) <= MAX_URL for url in made.values() if url)


def test_our_own_addresses_are_not_redirected_to() -> None:
    assert LINKS.click(1, 0, LINKS.unsubscribe(1, 0)) is None
    assert LINKS.click(1, 0, "https://t.example.com.other.example/") is not None


@given(ids, gens, targets)
def test_an_address_needs_no_escaping_anywhere(email_id: int, gen: int, target: str) -> None:
    safe = set(string.ascii_letters + string.digits + ":/._-")
    urls = [LINKS.pixel(email_id, gen), LINKS.click(email_id, gen, target), LINKS.unsubscribe(email_id, gen, "éü")]
    assert all(set(url) <= safe for url in urls if url is not None)


@pytest.mark.parametrize("base", ["", "t.example.com", "ftp://a", "https://a b", "https://a/?q", "https://a/<b>"])
def test_a_base_url_that_is_none(base: str) -> None:
    with pytest.raises(ValueError, match="base URL"):
        Links(base, [KEY])


@pytest.mark.parametrize("keys", [[], ["short"], [KEY, ""]])
def test_weak_keys_are_refused(keys: list[str]) -> None:
    with pytest.raises(ValueError, match="key"):
        Links(BASE, keys)


def test_a_base_url_may_have_a_path() -> None:
    assert Links(f"{BASE}/mail/", [KEY]).pixel(1, 0).startswith(f"{BASE}/mail/o/")


def test_an_unsubscription_too_long_for_a_header_is_refused() -> None:
    noise = "".join(random.Random(7).choices(string.ascii_letters, k=1_000))
    with pytest.raises(ValueError, match="category"):
        LINKS.unsubscribe(1, 0, noise)


@given(ids, gens, st.text(max_size=50))
def test_an_unsubscription_makes_both_fields_of_rfc_8058(email_id: int, gen: int, category: str) -> None:
    url = LINKS.unsubscribe(email_id, gen, category)
    assert unsubscribe_fields(f"<{url}>") == [
        f"List-Unsubscribe: <{url}>\r\n".encode(),
        b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
    ]


DAY = 86_400.0


@pytest.mark.parametrize("days", [0, 1, 400])
def test_a_link_knows_how_old_it_is(days: int) -> None:
    now = [1_800_000_000.0]
    links = Links("https://t.example.com", ["k" * 32], clock=lambda: now[0])
    pixel, click = _token(links.pixel(7, 2)).removesuffix(".gif"), _token(links.click(7, 2, "https://a.example/"))
    now[0] += days * DAY
    opened, clicked = links.read_pixel(pixel), links.read_click(click)
    assert opened is not None
    assert clicked is not None
    assert (opened.age_days, clicked.age_days) == (days, days)
    now[0] = 0  # a host whose clock is wrong
    assert links.read_pixel(pixel) is not None


def test_a_link_says_with_which_key_it_is_signed_and_nothing_of_the_key() -> None:
    old, new = "o" * 32, "n" * 32
    signed = {key: _token(Links("https://t.example.com", [key]).pixel(7, 2)).removesuffix(".gif") for key in (old, new)}
    names = {key: token.rpartition(".")[2][:3] for key, token in signed.items()}
    assert names[old] != names[new]
    both = Links("https://t.example.com", [new, old])
    assert both.read_pixel(signed[old]) == both.read_pixel(signed[new]) == PixelLink(7, 2)
    renamed = signed[old].replace(f".{names[old]}", f".{names[new]}")
    assert both.read_pixel(renamed) is None
