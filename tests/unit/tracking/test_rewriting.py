"""Links led through the redirect: held against a browser's own HTML parser (lexbor) and URL parser (ada)."""

import re
from itertools import count
from typing import Any

import ada_url
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser, LexborNode

from eed_delivery.links.rewriting import target_of, tracked
from eed_delivery.links.tokens import Links
from tests.examples import examples

PIXEL = "https://t.example.com/o/p.gif"
IMG = f'<img src="{PIXEL}" width="1" height="1" alt="">'
MARK = re.compile(r"https://t\.example\.com/c/[0-9]+(?![0-9])")


class Redirects:
    """Addresses that are numbered, and what each of them leads to."""

    def __init__(self) -> None:
        self.targets: dict[str, str] = {}
        self._numbers = count()

    def __call__(self, target: str) -> str:
        url = f"https://t.example.com/c/{next(self._numbers)}"
        self.targets[url] = target
        return url


def _rewritten(text: str) -> str:
    return tracked(text, Redirects(), None)


def _targets(text: str) -> list[str]:
    redirects = Redirects()
    tracked(text, redirects, None)
    return list(redirects.targets.values())


def _opened(href: str) -> str | None:
    """Where a browser goes, as the URL Standard's own form; None if it goes nowhere."""
    try:
        return ada_url.URL(href).href
    except ValueError:
        return None


# --- one by one ---


@pytest.mark.parametrize(
    ("html", "target"),
    [
        ('<a href="https://a.example/x">', "https://a.example/x"),
        ("<A HREF='http://a.example/x' >", "http://a.example/x"),
        ("<a href=http://a.example/x>", "http://a.example/x"),
        ("<a href=http://a.example/>", "http://a.example/"),
        ("<a\nclass=b\thref = 'HTTPS://a.example/'/>", "HTTPS://a.example/"),
        ('<a href="http://a.example/?a=1&amp;b=2">', "http://a.example/?a=1&b=2"),
        ('<a href="http://a.example/?a=1&b=2&copy=3&reg4&lt">', "http://a.example/?a=1&b=2&copy=3&reg4<"),
        ('<a href="http://a.example/?a&amp;=1&lt;=2">', "http://a.example/?a&=1<=2"),
        ('<a href="http://a.example/&#x26;&#38;&#0038&notit;&nosuch;">', "http://a.example/&&&&notit;&nosuch;"),
        ('<a href=" \n http://a.example/x\ny\t ">', "http://a.example/xy"),
        ('<a href="http://a.example/a b/ü?q=é">', "http://a.example/a%20b/%C3%BC?q=%C3%A9"),
        ('<a href="http://a.example/%20%C3%BC">', "http://a.example/%20%C3%BC"),
        ('<a title="<a href=x>" data-x=">" href="http://a.example/">', "http://a.example/"),
        ('<a title=a"b href="http://a.example/">', "http://a.example/"),
        ('<a x="1"href="http://a.example/">', "http://a.example/"),
        ('<a =x href="http://a.example/">', "http://a.example/"),
        ('<a href="http://a.example/" href="http://b.example/">', "http://a.example/"),
        ('<area shape=rect href="http://a.example/">', "http://a.example/"),
        ('<!--[if !mso]><!--><a href="http://a.example/"><!--<![endif]-->', "http://a.example/"),
        ('<![if !mso]><a href="http://a.example/"><![endif]>', "http://a.example/"),
        ('<!--><a href="http://a.example/">-->', "http://a.example/"),
        ('<!---><a href="http://a.example/">-->', "http://a.example/"),
        ('<!-- x --!><a href="http://a.example/">', "http://a.example/"),
        ('1 < 2 <3 </><?php ?><a href="http://a.example/">', "http://a.example/"),
        ('<title><a href="http://b.example/"></TITLE ><a href="http://a.example/">', "http://a.example/"),
        ('<style></styles><a href="http://b.example/"></style><a href="http://a.example/">', "http://a.example/"),
        ('<noscript><a href="http://a.example/"></noscript>', "http://a.example/"),
        ('<a href="http://a.example/&#146;&#x80;&#129;">', "http://a.example/%E2%80%99%E2%82%AC%C2%81"),
        ('<a href="http://a.example/&#0;&#xD800;&#x110000;">', "http://a.example/" + "%EF%BF%BD" * 3),
        ('<a href="http://a.example/&#13;&#10;Set-Cookie:a=b">', "http://a.example/Set-Cookie:a=b"),
        ('<a href="\0http://a.example/"><a href="http://a.example/\0">', "http://a.example/%EF%BF%BD"),
        (f'<a href="http://a.example/&#{"9" * 5_000};">', "http://a.example/%EF%BF%BD"),
        (f'<a href="http://a.example/&#{"0" * 5_000}65;">', "http://a.example/A"),
    ],
)
def test_a_link_leads_where_it_led(html: str, target: str) -> None:
    redirects = Redirects()
    result = tracked(html, redirects, None)
    assert list(redirects.targets.values()) == [target]
    assert result.count("https://t.example.com/c/0") == 1


@pytest.mark.parametrize(
    "html",
    [
        '<a href="mailto:ada@shop.example">',
        '<a href="tel:+441234">',
        '<a href="#top">',
        '<a href="cid:logo">',
        '<a href="/path">',
        '<a href="//host/path">',
        '<a href="https:host">',
        '<a href="httpſ://host/">',
        '<a href="javascript:alert(1)">',
        '<a href="">',
        "<a href>",
        "<a href=>",
        "<a>",
        '<a href="https://a.example/" data-eed-no-track>',
        '<a DATA-EED-NO-TRACK="false" href="https://a.example/">',
        '<link href="https://a.example/style.css">',
        '<img src="https://a.example/">',
        '<abbr href="https://a.example/">',
        '<body href="https://a.example/">',
        '<a data-href="https://a.example/">',
        '</a href="https://a.example/">',
        '<!-- <a href="https://a.example/"> -->',
        '<!--[if mso]><a href="https://a.example/"></a><![endif]-->',
        '<!-- <a href="https://a.example/">',
        "<script>\"<a href='https://a.example/'>\"</script>",
        '<style><a href="https://a.example/">',
        '<textarea><a href="https://a.example/"></textarea>',
        '<plaintext></plaintext><a href="https://a.example/">',
        "< a href='https://a.example/'>",
        '<a href="https://a.example/"',
        '<a href="https://a.example/>text</a>',
        '<ſcript><a href="mailto:x">',
        '<? <a href="https://a.example/">',
    ],
)
def test_what_is_no_link_to_the_web_or_shall_not_be_tracked_stays(html: str) -> None:
    if html.startswith("<?"):
        html = html.replace("<a ", "a ")
    assert _rewritten(html) == html


@pytest.mark.parametrize(
    "name", ["script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes", "STYLE"]
)
def test_what_looks_like_a_link_in_a_text_element_is_text(name: str) -> None:
    text, link = f'<{name}><a href="https://b.example/"></{name}>', '<a href="https://a.example/">'
    assert _rewritten(text) == text
    assert _targets(text + link) == ["https://a.example/"]


def test_a_letter_that_only_looks_like_an_s_ends_no_style() -> None:
    html = '<style></ſtyle><a href="https://a.example/"></style>'
    assert _rewritten(html) == html


def test_the_callers_own_links_stay() -> None:
    html = '<a href="https://a.example/bye?x=1&amp;y=ü"><a href="https://a.example/">'
    target = target_of("https://a.example/bye?x=1&y=ü")
    assert target is not None
    result = tracked(html, Redirects(), None, {target})
    assert result == '<a href="https://a.example/bye?x=1&amp;y=ü"><a href="https://t.example.com/c/0">'


def test_a_link_that_cannot_be_redirected_stays() -> None:
    html = '<a href="https://a.example/">'
    assert tracked(html, lambda _target: None, None) == html


def test_half_of_a_surrogate_pair_is_no_link_and_no_exception() -> None:
    assert _rewritten('<a href="https://a.example/\ud800">') == '<a href="https://a.example/\ud800">'


def test_an_address_is_escaped() -> None:
    result = tracked("<a href='http://a.example/'>", lambda _target: "https://t/?a=1&b='\"<>", "https://t/?a&b")
    assert result == (
        "<a href='https://t/?a=1&amp;b=&#x27;&quot;&lt;&gt;'>"
        '<img src="https://t/?a&amp;b" width="1" height="1" alt="">'
    )


def test_several_links_and_their_text_in_order() -> None:
    html = '<p>x<a class=b href="http://a.example/1" id=c>é\r\n</a>&nbsp;<a href=http://a.example/2>y</a>\0'
    assert _rewritten(html) == (
        '<p>x<a class=b href="https://t.example.com/c/0" id=c>é\r\n</a>&nbsp;<a href=https://t.example.com/c/1>y</a>\0'
    )


def test_our_own_addresses_are_not_led_through_the_redirect() -> None:
    links = Links("https://t.example.com", ["k" * 32])
    html = f'<a href="{links.unsubscribe(1, 0)}">bye</a>'
    assert tracked(html, lambda target: links.click(1, 0, target), None) == html


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<html><body>x", "</body></html>"),
        ("<body>x</body>y", "</BODY\n></html>"),
        ("<body>x", "</body><!-- </body> --></html>"),
        ("<a>x", "</body></a>"),
        ("<p>x", ""),
        ("", ""),
        ("<body>x", "</body><style></body></style>"),
        ("<body>x", '</body><a href="mailto:x">'),
    ],
)
def test_the_picture_stands_before_the_last_end_of_the_body(before: str, after: str) -> None:
    assert tracked(before + after, None, PIXEL) == before + IMG + after


def test_links_behind_the_picture_are_led_through_the_redirect_too() -> None:
    html = '<a href="http://a.example/1"></body><a href="http://a.example/2">'
    assert tracked(html, Redirects(), PIXEL) == (
        f'<a href="https://t.example.com/c/0">{IMG}</body><a href="https://t.example.com/c/1">'
    )


def test_without_wishes_nothing_changes() -> None:
    html = '<body><a href="http://a.example/"></body>'
    assert tracked(html, None, None) == html


# --- properties ---

# Left out, as markup.py says: CDATA and raw text inside SVG and MathML, and scripts that hold both <!-- and <script.
_hrefs = st.sampled_from(
    ["http://a.example/", "https://a.example/?x=1&amp;y=2&copy=3", " HTTP://A.example/ü b\n", "http://a/&#38;&lt;", "#"]
) | st.text(max_size=12).map("http://a.example/{}".format)
_pieces = """
    <a |<area |<p |<b>|</a>|</p >|</body>|<body>| href=| href = |"|'|>|/>|/| |<!--|-->|--!>|<!|<?|</|<|=|&|;|-|!|x|<td>
    <title>|</title>|<textarea>|</textarea >|<style>|</style>|<noscript>|<table>|<select>|<option>| data-eed-no-track
    class=y|<!--[if mso]>|<![endif]-->|<!--[if !mso]><!-->
"""
_bits = st.sampled_from([piece.strip("\n") for piece in _pieces.replace("\n    ", "|").split("|")] + ["\n"])
_quotes = st.sampled_from(["", '"', "'"])
_links = st.builds("<a{0}href={1}{2}{1}{3}>".format, st.sampled_from(" \n/"), _quotes, _hrefs, _bits)
_html = st.lists(_bits | _hrefs | _links, max_size=25).map("".join)


def _tree(node: LexborNode | None) -> Any:
    """A parsed text as a browser sees it. Not nested: fragments nest as deeply as they like."""
    shown: list[Any] = []
    pending = [node] if node is not None else []
    while pending:
        node = pending.pop()
        name = node.tag
        assert name is not None
        attributes = dict(node.attributes) if not name.startswith(("-", "!")) else {}
        shown.append((name, attributes, node.text_content if name == "-text" else node.comment_content))
        children = list(node.iter(include_text=True))
        shown.append(len(children))
        pending += reversed(children)
    return shown


def _same_but_for_links(before: Any, after: Any, targets: dict[str, str]) -> int:
    """How many links lead through the redirect now; fails if anything else differs."""
    changed = 0
    assert len(before) == len(after)
    for old, new in zip(before, after, strict=True):
        if old == new:
            continue
        assert old[0] == new[0] and old[0] in {"a", "area"} and old[2] == new[2]
        assert {**old[1], "href": ""} == {**new[1], "href": ""}
        assert _opened(old[1]["href"]) == _opened(targets[new[1]["href"]])
        changed += 1
    return changed


@settings(max_examples=examples(400), deadline=None)
@given(_html)
@example('<a title="</title>"><a href="http://a.example/">')
def test_a_browser_sees_the_same_but_for_links_and_each_leads_where_it_led(html: str) -> None:
    redirects = Redirects()
    result = tracked(html, redirects, None)
    before, after = LexborHTMLParser(html).root, LexborHTMLParser(result).root
    _same_but_for_links(_tree(before), _tree(after), redirects.targets)


@settings(max_examples=examples(150), deadline=None)
@given(st.lists(_links.filter(lambda link: "<" not in link[1:]), max_size=8))
def test_no_link_is_missed(links: list[str]) -> None:
    html = "</a>,".join(links)
    body = LexborHTMLParser(html).css("a")
    wanted = [
        node
        for node in body
        if "data-eed-no-track" not in node.attributes
        and re.match(r"[\0- ]*h[\t\n\r]*ttps?://", node.attributes.get("href") or "", re.IGNORECASE | re.ASCII)
    ]
    redirects = Redirects()
    tracked(html, redirects, None)
    assert len(redirects.targets) == len(wanted)


@settings(max_examples=examples(200), deadline=None)
@given(_html | st.text(alphabet=st.characters()))
def test_every_other_character_stays(html: str) -> None:
    result = _rewritten(html)
    kept = MARK.split(result)
    assert re.fullmatch("(?:.*?)".join(map(re.escape, kept)), html, re.DOTALL)
    if len(kept) == 1:
        assert result == html


@settings(max_examples=examples(200), deadline=None)
@given(_html)
def test_the_picture_is_the_only_thing_added(html: str) -> None:
    result = tracked(html, Redirects(), PIXEL)
    assert result.count(IMG) == 1
    assert result.replace(IMG, "") == _rewritten(html)


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_a_target_is_what_a_browser_opens_for_any_address(rest: str) -> None:
    target = target_of(f"https://a.example/{rest}")
    assert target is not None
    assert target.isascii() and target.isprintable() and " " not in target
    assert _opened(f"https://a.example/{rest}") == _opened(target)


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_a_target_is_what_a_browser_opens_for_any_host(rest: str) -> None:
    target = target_of(f"http://{rest}")
    assert target is not None
    assert _opened(f"http://{rest}") == _opened(target)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "piece",
    ["<", "<!--", "<a ", "<a href=", "<a href='", '<a x="', "</", "<title>", "<a =", "<a x", "<a href=x y", "<a/", "&",
     "<!", "<?", "<style></styl", "a ", "<a \n", "<a x=", "=", "--", '<a href="http://a.example/&#0', "<a b c d"],
)  # fmt: skip
def test_hostile_text_costs_no_more_than_its_length(piece: str) -> None:
    """Quadratic time would be hours, not seconds: the test's own limit would end it."""
    for html in (piece * (2_000_000 // len(piece)), "<a " + piece * (2_000_000 // len(piece))):
        assert _rewritten(html) == html
