"""The text part made from HTML: every word that a reader sees, none that nobody sees, links as browsers take them."""

import re
import resource
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from eed_delivery.errors import RenderError
from eed_delivery.links.markup import attributes, decoded
from eed_delivery.rendering.html_limits import MAX_DEPTH
from eed_delivery.rendering.plain_text import text_of
from eed_delivery.rendering.text_layout import MAX_COLUMN

PREHEADER = (
    "display:none;font-size:1px;color:#ffffff;line-height:1px;max-height:0px;max-width:0px;opacity:0;overflow:hidden;"
)


@pytest.mark.parametrize(
    "hiding",
    [
        "<div hidden>{}</div>",
        "<DIV HIDDEN=''>{}</DIV>",
        '<p hidden="until-found">{}</p>',  # HTML 6.1: not rendered either, until somebody searches the page for it
        '<div style="display:none !important;mso-hide:all">{}</div>',
        '<div style="DISPLAY : NONE ! important">{}</div>',
        "<div STYLE='color:red;display:none'>{}</div>",
        '<div style="display:block; display:none">{}</div>',
        '<div style="display:none!important; display:block">{}</div>',
        '<div style="display:none; display:no-such-thing">{}</div>',
        '<div style="display:/* not here */none">{}</div>',
        '<div style="d\\69splay:none">{}</div>',
        '<div style="background:url(data:image/png;base64,display:block);display:none">{}</div>',
        "<div style=\"font-family:'a;display:block';display:none\">{}</div>",
        '<div style="display&#58;none">{}</div>',
        f'<div style="{PREHEADER}">{{}}</div>',
        f'<span style="{PREHEADER}">{{}}</span>',
        '<span style="visibility:hidden">{}</span>',
        '<table><tr style="visibility:collapse"><td>{}</td></tr></table>',
        '<div style="opacity:0"><b style="opacity:1">{}</b></div>',
        '<div style="opacity:0.0">{}</div>',
        '<div style="content-visibility:hidden">{}</div>',
        '<span style="font-size:0">{}</span>',
        '<div style="font-size: 0px !IMPORTANT">{}</div>',
        '<div style="font-size:0"><b style="font-size:2em">{}</b></div>',
        '<div style="font:0/0 a">{}</div>',
        '<div style="font:bold 0px Arial">{}</div>',
        '<div style="max-height:0;overflow:hidden">{}</div>',
        '<div style="max-height:0px;overflow:hidden;mso-hide:all"><p>{}</p></div>',
        '<div style="height:0;overflow-y:clip">{}</div>',
        '<div style="max-width:0;overflow:hidden">{}</div>',
        '<span style="display:inline-block;height:0;overflow:hidden">{}</span>',
        '<span style="float:left;height:0;overflow:hidden">{}</span>',
        "<template>{}</template>",
        "<title>{}</title>",
        "<style>{}</style>",
        "<script>{}</script>",
        "<noembed>{}</noembed>",
        "<noframes>{}</noframes>",
        "<iframe>{}</iframe>",
        '<iframe style="display:block">{}</iframe>',
        "<datalist><option>{}</option></datalist>",
        "<dialog>{}</dialog>",
        "<!-- {} -->",
        "<!--[if mso]><p>{}</p><![endif]-->",
        '<img hidden alt="{}">',
        '<img style="display:none" alt="{}">',
    ],
)
@pytest.mark.parametrize(
    "page", ["{}", "<!doctype html><table><tr><td>{}<tr><td></table>", "<p>{}", "<a href=x>{}</a>"]
)
def test_what_is_not_rendered_is_not_in_the_text(hiding: str, page: str) -> None:
    assert text_of("<p>before</p>" + page.format(hiding.format("SECRET")) + "<p>after</p>") == "before\n\nafter"


@pytest.mark.parametrize(
    "showing",
    [
        '<div hidden style="display:block">{}</div>',  # an author's style goes before the browser's for `hidden`
        '<div style="display:none;display:block">{}</div>',
        '<div style="display:none;display:inline flex">{}</div>',
        '<a href="https://x.example" style="display:inline-block;mso-hide:all">{}</a>',  # a button
        '<!--[if !mso]><!--><p style="mso-hide:all">{}</p><!--<![endif]-->',
        "<![if !mso]><p>{}</p><![endif]>",
        '<p aria-hidden="true">{}</p>',
        '<div style="visibility:hidden"><b style="visibility:visible">{}</b></div>',
        '<td style="font-size:0px"><div style="font-size:16px">{}</div></td>',  # closes the gaps between columns
        '<div style="font-size:0"><font style="font:14px/1.4 Arial">{}</font></div>',
        '<div style="font-size:0"><table><tr><td>{}</td></tr></table></div>',  # without a doctype
        '<div style="font-size:0"><img alt="{}" src="x"></div>',
        '<div style="font-size:calc(1px + 1em)">{}</div>',
        '<div style="font:900 14px Arial">{}</div>',
        '<p style="font-size:1px">{}</p>',
        '<div style="max-height:0">{}</div>',  # it flows over
        '<div style="overflow:hidden">{}</div>',
        '<span style="max-height:0;overflow:hidden">{}</span>',  # inline: it has no height
        '<table><tr><td style="height:0;overflow:hidden">{}</td></tr></table>',  # grows with what is in it
        '<div style="line-height:0;opacity:0.5">{}</div>',
        '<div style="text-indent:-999px;color:#fff;color:transparent">{}</div>',
        '<div style="display:">{}</div>',
        '<div style="display">{}</div>',
        '<div style="x{{display:none}}">{}</div>',
        '<div style="--x:display:none">{}</div>',
        "<details><summary>more</summary>{}</details>",
        "<dialog open>{}</dialog>",
        "<noscript>{}</noscript>",
        "<video><p>{}</p></video>",
        "<object>{}</object>",
        "<ruby>x<rp>({})</rp></ruby>",
        "<textarea>{}</textarea>",
        "<button style='font-size:inherit'>{}</button>",
        "<xmp>{}</xmp>",
        "<select><option>{}</select>",
        '<img alt="{}">',
        "<o:p>{}</o:p>",
        "<svg><text>{}</text></svg>",
    ],
)
def test_what_a_reader_sees_is_in_the_text(showing: str) -> None:
    assert "SEEN" in (text_of(showing.format("SEEN")) or "")


@pytest.mark.parametrize(
    ("sheet", "seen"),
    [
        (".x{display:none}", False),
        (".x { color:red; DISPLAY : None !important }", False),
        ("a{b:c} div.x, .y{visibility:hidden}", False),
        ("#i{opacity:0}", False),
        ("<!-- body > [class=x] { display:none } -->", False),
        ("@media screen { .x{display:none} }", False),
        ("@import 'a.css'; .x{display:none}", False),
        (".x{display:none} @media (max-width: 600px) { .x{display:block!important} }", False),
        (".x{display:block} .x{display:none}", False),
        ("div.x{display:none} .x{display:block}", False),  # the more specific one, not the later one
        (".x{display:none} body div{display:block}", False),
        ("div:not(.y){display:none} body div{display:block}", False),
        ("#i{display:none} div.x.x[class]{display:block}", False),
        (".x{display:none!important} #i{display:block}", False),
        (".x{d\\69splay:none}", False),
        (".x{display:none} .x{display:no-such-thing}", False),
        ("@media (max-width: 600px) { .x{display:none!important} }", True),
        ("@media print { .x{display:none} }", True),
        ("@supports (display:grid) { .x{display:none} }", True),
        (".x:hover{display:none}", True),
        (".x::before{display:none}", True),
        (".y{display:none}", True),
        ("u + .body .x{display:none}", True),  # for one mail program
        (".x:not(.y){display:none}", False),
        ("div:first-of-type{display:none}", False),
        ("div:not(.y){display:none} div.x:not(.z){display:block} p + div{display:none}", True),
        (".x:focus{display:none} .x:checked{display:none} a:visited ~ .x{display:none}", True),
        ("*{display:block} .y{display:none}", True),
        ("/* .x{display:none} */", True),
        (".x{display:none} .x{display:block}", True),
        (".x{display:none} div.x{display:block}", True),
        (".x{display:none} .x{display:inline!important}", True),
        (".x{content:'display:none'}", True),
        (".x{font-size:0;max-height:0;overflow:hidden}", True),
        (".x{mso-hide:all}", True),
        ("%%{display:none}", True),
        (".x{display:none", False),  # what is not closed is closed by the end (CSS Syntax 3, 5.4.5)
    ],
)
def test_style_sheets_hide_what_they_hide_from_everybody(sheet: str, seen: bool) -> None:
    page = f"<!doctype html><head><style>{sheet}</style></head><p>before</p><div id=i class=x>WORD</div>"
    assert text_of(page) in (("before\n\nWORD", "before\nWORD") if seen else ("before",))


def test_an_elements_own_style_goes_before_a_sheets() -> None:
    style = "<style>.x{display:none} .y{display:none!important} .z{display:block}</style>"
    assert text_of(f'{style}<p class=x style="display:block">a</p>') == "a"
    assert text_of(f'{style}<p class=y style="display:block">a</p>') is None
    assert text_of(f'{style}<p class=y style="display:block!important">a</p>') == "a"
    assert text_of(f'{style}<p class=z style="display:none">a</p>') is None
    assert text_of(f"{style}<p class=z hidden>a</p>") == "a"
    assert text_of(f"{style}<p hidden>a</p>") is None


@pytest.mark.parametrize("media", ["print", "(max-width:600px)", "screen and (max-width:600px)"])
def test_a_sheet_for_some_only_hides_nothing(media: str) -> None:
    assert text_of(f'<style media="{media}">p{{display:none}}</style><p>a') == "a"
    assert text_of('<style media="All">p{display:none}</style><p>a') is None


@given(st.text(st.sampled_from("{}()[];:,.#*<>!-@\\\"'ap x0/\n"), max_size=60))
def test_any_style_sheet_and_any_style_can_be_read(css: str) -> None:
    quoted = css.replace('"', "&quot;")
    text_of(f'<style>.x{{display:none}} {css}</style><p style="{quoted}">a</p>')


def test_a_table_takes_the_size_around_it_where_there_is_a_doctype() -> None:
    page = '<div style="font-size:0"><table><tr><td>x</td></tr></table></div>'
    assert text_of(page) == "x"
    assert text_of(f"<!DOCTYPE html>{page}") is None
    assert text_of(f" <!-- c --> <!doctype HTML>{page}") is None


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>A</p>\n  <p> B\n b </p>", "A\n\nB b"),
        ("<div>A</div><div>B</div>C", "A\nB\nC"),
        ("<b>bo</b><i>ld</i>  <u> word</u>", "bold word"),
        ("a<br>b<br><br>c<br>", "a\nb\n\nc"),
        ("a<br><br><br><br><br><br>b", "a\n\n\nb"),
        ("<p>&nbsp;</p>a&nbsp;b<p>&nbsp;</p>", "a\xa0b"),
        ("<h1>T</h1>x<hr>y", "T\n\nx\n\ny"),
        ("<pre>a\n  b\tc\n\nd</pre>e", "a\n  b\tc\n\nd\n\ne"),
        ('<p style="white-space: pre-line">a   b\n c</p>', "a b\nc"),
        ('<p style="white-space:pre-wrap">a   b\n c</p>', "a   b\n c"),
        ("<ul><li>one<li>two<ul><li>in</ul><li>three</ul>x", "* one\n* two\n  * in\n* three\n\nx"),
        ("<ol start=9><li>a<li><p>b</p><p>c</p></ol>", "9. a\n\n10. b\n\n    c"),
        ("<span style='display:block'>a</span>b", "a\nb"),
        ("<div style='display:inline'>a</div>b", "ab"),
        ("<ul><li style='display:inline'>a</li> <li style='display:inline'>b</ul>", "a b"),
        ("<a style='display:inline-block'>a</a><a style='display:inline-block'>b</a>", "a b"),
        (
            "<table><tr><th>Day<th>Sum<tr><td>1 May<td>2.00<tr><td>All days<td>3</table>",
            "Day       Sum\n1 May     2.00\nAll days  3",
        ),
        ("<table><tr><td>a<td>b<td>c<tr><td colspan=2>d<td>e</table>", "a  b  c\nd     e"),
        ("<table><tr><td>Rent<br>No. 7<td>2.00<tr><td>Salary<td>9.00</table>", "Rent    2.00\nNo. 7\nSalary  9.00"),
        ("<table><tr><td>a<br>b<br>c<br>d<br>e<td>f</table>", "a\nb\nc\nd\ne\n\nf"),
        ("<table><tr><td><td>b<tr><td>cc<td>d</table>", "b\ncc  d"),
        ("<table><tr><td><p>a</p><p>b</p><td>c</table>d", "a\n\nb\n\nc\nd"),
        ("<table><caption>T</caption><tr><td><table><tr><td>a<td>b</table></table>", "T\na  b"),
        ("<ul><li><table><tr><td>a<td>b</table></ul>", "* a  b"),
        ('<a href="https://x.example">words</a>', "[words](https://x.example)"),
        ('<a href="https://x.example/">https://x.example/</a>', "https://x.example/"),
        ('<a href="mailto:a@b.example">a@b.example</a>, <a href="tel:+1">+1</a>', "a@b.example, +1"),
        ('<a href="#top">up</a> <a name="x">here</a> <a href="">none</a>', "up here none"),
        ('<a href=" https://x.example/a\nb c ">x</a>', "[x](https://x.example/ab%20c)"),
        ('<a href="https://x.example"><img src="a"></a>', "https://x.example"),
        ('<a href="https://x.example"><img src="a" alt="Pay\nnow"></a>', "[Pay now](https://x.example)"),
        ('<a href="https://x.example"></a>', None),
        ('a <a href="https://x.example"> b </a> c', "a [b](https://x.example) c"),
        ('<a href="https://x.example"><div>b</div></a>c', "[b](https://x.example)\nc"),
        ('<a href="https://x.example">b<br></a>c', "[b](https://x.example)\nc"),
        ('<a href="https://x.example">b<br><br></a>c', "[b](https://x.example)\n\nc"),
        ('<a href="https://x.example"><table><tr><td>b</table></a>', "b\nhttps://x.example"),
        ('<a href="https://x.example" style="visibility:hidden">b</a>c', "c"),
        ("<img src=x>", None),
        ("", None),
        (" <p>\n&nbsp;</p>", None),
    ],
)
def test_layout(html: str, text: str | None) -> None:
    assert text_of(html) == text


_NAMES = [
    "&",
    "curren",
    "copy",
    "reg",
    "sect",
    "not",
    "amp",
    "notit",
    "lt",
    "nbsp",
    "#36",
    "#x41",
    "#128",
    ";",
    "=",
    "cy",
    "1",
    "?",
    "a",
    "\xe9",
]


@given(st.lists(st.sampled_from(_NAMES), max_size=12).map("".join))
@example("id=1&amount=5&currency=EUR&region=eu&copy=1&section=2&notify=1&para=x")
@example("a&amp;b&copy;c&copy")
def test_a_links_address_is_the_one_that_tracking_and_browsers_take(value: str) -> None:
    """HTML 13.2.5.73. `decoded` is what click tracking leads to."""
    tag = f' href="https://x.example/{value}"'
    address = decoded(attributes(tag)["href"].raw).replace("\xa0", "%A0")
    assert (text_of(f"<a{tag}>words</a>") or "").replace("\xa0", "%A0") == f"[words]({address})"


_CONTAINERS = [
    "div",
    "p",
    "b",
    "i",
    "font",
    "span",
    "center",
    "ul",
    "ol",
    "li",
    "table",
    "tr",
    "td",
    "th",
    "h1",
    "blockquote",
    "a",
    "pre",
    "em",
    "dl",
    "dd",
    "section",
    "tbody",
    "caption",
    "button",
    "o:p",
    "nobr",
    "form",
    "label",
]
_BROKEN = [
    "</p>",
    "</div>",
    "</table>",
    "</td>",
    "</b>",
    "</a>",
    "</x>",
    "<br>",
    "<>",
    "< ",
    "&",
    "<!-- c -->",
    "</",
    "<img>",
]
_WORD = "w%dw"


@st.composite
def pages(draw: st.DrawFn, tags: list[str]) -> str:
    """Markup of any kind, well-formed or not, with a word after each piece."""
    pieces = st.sampled_from([*(f"<{tag}>" for tag in tags), *(f"</{tag}>" for tag in tags), *_BROKEN])
    drawn = draw(st.lists(pieces, max_size=60))
    return "".join(f"{piece} {_WORD % number} " for number, piece in enumerate(drawn) if piece != "</" or number)


@given(pages(_CONTAINERS))
def test_every_word_of_any_markup_is_in_the_text_once(page: str) -> None:
    words = re.findall(r"w\d+w", re.sub(r"</ w\d+w [^>]*>?", "", page))
    assert sorted(re.findall(r"w\d+w", text_of(page) or "")) == sorted(words)


@given(pages([tag for tag in _CONTAINERS if tag not in ("table", "tr", "td", "th", "tbody", "caption")]))
def test_words_come_in_their_order(page: str) -> None:
    words = re.findall(r"w\d+w", re.sub(r"</ w\d+w [^>]*>?", "", page))
    assert re.findall(r"w\d+w", text_of(page) or "") == words


@pytest.mark.parametrize("tags", [250, 2 * MAX_DEPTH, 100_000])
@pytest.mark.parametrize(
    "tag", ["<div>", "<b>", "<font color=1>", "<ul><li>", "<table><tr><td>", "<blockquote>", "<span>x"]
)
def test_unclosed_tags_do_not_cut_the_text(tag: str, tags: int) -> None:
    text = text_of(tag * tags + "<p>the end</p>" + '<a href="https://x.example">pay</a>') or ""
    assert "the end" in text and "[pay](https://x.example)" in text


def test_deep_and_closed_tags_end_where_they_did() -> None:
    """What is past the limit does not close what is above it."""
    deep = "<div>" * 3 * MAX_DEPTH + "deep" + "</div>" * 3 * MAX_DEPTH
    assert text_of(f"<div hidden>{deep}</div>seen") == "seen"
    most_of_it = deep[: -MAX_DEPTH * len("</div>")]
    assert text_of(f"<div hidden>{most_of_it}not seen either{'</div>' * MAX_DEPTH}</div>seen") == "seen"
    assert (text_of(f"{deep}<div hidden>x</div>seen") or "").split() == ["deep", "seen"]


def test_long_text_is_whole() -> None:
    words = " ".join(map(str, range(150_000)))
    assert text_of(f"<p>{words}") == words


def test_a_wide_cell_does_not_widen_the_others() -> None:
    """Padding every row to a customer's one long cell took gigabytes."""
    rows = f"<tr><td>{'x' * 300_000}<td>1.00" + "<tr><td>Payment<td>2.00" * 8000
    html = f"<table>{rows}</table>"
    text = text_of(html) or ""
    assert text.splitlines()[-1] == "Payment  2.00"
    assert len(text) < len(html)
    padded = text_of(f"<table><tr><td>{'y' * MAX_COLUMN}<td>1" + "<tr><td>a<td>2" * 1000 + "</table>") or ""
    assert padded.splitlines()[-1] == "a" + " " * (MAX_COLUMN + 1) + "2"


def test_a_cell_over_many_columns_is_not_padded_to_their_end() -> None:
    wide = "<tr>" + f"<td>{'x' * MAX_COLUMN}" * 1000
    html = f"<table>{wide}{'<tr><td colspan=1000>a<td>b' * 5000}</table>"
    assert len(text_of(html) or "") < 8 * len(html)


@given(st.text(st.sampled_from("<>/=\"' abtdr!-&;#\0\r\n\x85\u2028"), max_size=300))
@example("\ud800")
def test_never_an_exception(html: str) -> None:
    text_of(html)


LONG = "http://x.example/" + "y" * 10_000
REPEATED = {
    "a link that is never closed": f"<p><a href='{LONG}'>x" + "<p>y" * 10_000,
    "a link in each item": f"<ul><li><a href='{LONG}'>x" + "<li>y" * 10_000,
    "a link closed where that does not count": f"<p><a href='{LONG}'><table><tr><td></a></table>" + "<p>y" * 10_000,
    "a short link within a long one": f"<p><a href='{LONG}'><table><tr><td><a href=s>x</a></table>" + "<p>y" * 10_000,
    "formatting that is never closed": "<p>" + "".join(f"<b id=i{n}>" for n in range(1000)) + "x" + "<p>y" * 10_000,
    "formatting closed in a cell": "<p>" + "<i a=1><i a=2><b>" * 300 + "<table><tr><td>" + "</i></b>" * 900 + "</table>"
    + "<p>y" * 10_000,
    "columns": "<table><tr>" + ("<td>" + "y" * 40) * 1000 + ("<tr>" + "<td>a" * 999 + "<td>b") * 180 + "</table>",
}  # fmt: skip


@pytest.mark.parametrize("name", REPEATED)
def test_markup_that_is_opened_again_and_again_is_bounded_before_it_is_made(name: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with suppress(RenderError):
        assert len(text_of(REPEATED[name]) or "") <= 1_000_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000


@given(
    st.lists(
        st.sampled_from(["<b>", "</b>", "<p>", "<i id=x>", "</i>", "w ", "<td>", "<table>", "</table>"]), max_size=40
    )
)
def test_formatting_that_is_opened_again_or_not_makes_the_same_text(parts: list[str]) -> None:
    page = "".join(parts)
    assert text_of(page) == text_of(re.sub("<(/?)[bi]\\b", r"<\1span", page))


def test_links_of_a_page_with_too_many_are_kept() -> None:
    page = "".join(f"<p><a href='http://x.example/{n}'><b>w{n}</b></a> and <i>more</i></p>" for n in range(9000))
    text = text_of(page) or ""
    assert "[w7](http://x.example/7) and more" in text
    assert "[w8999](http://x.example/8999) and more" in text


def test_a_text_longer_than_its_limit_is_refused() -> None:
    assert text_of("<p>" + "x" * 100, 100) == "x" * 100
    with pytest.raises(RenderError, match="give the job a text template"):
        text_of("<p>" + "x" * 101, 100)
