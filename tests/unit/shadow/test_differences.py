"""Two emails are compared by what a reader sees. How they were made is no difference."""

import base64
import hashlib
import quopri
from dataclasses import replace
from email import message_from_bytes
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eed_delivery.config import ShadowSettings
from eed_delivery.shadow.bodies import html_lines, text_lines
from eed_delivery.shadow.differences import MOST_OF_ONE, DifferingField, EmailDifference, KnownWords, compared
from eed_delivery.shadow.messages import ComparedFile, ComparedMessage, NoMessage, read_message
from eed_delivery.shadow.rules import SamenessRule, SamenessRules

RULES = SamenessRules((), ShadowSettings.left_out().ignored_headers)
WORDS = KnownWords("Dear your balance is Statement for")
PLAIN = ComparedMessage(
    recipients=("anna@example.com",),
    recipient_name="Anna Müller",
    sender="Bank <bank@example.com>",
    reply_to="",
    subject="Statement for Anna",
    headers=(),
    text="Dear Anna,\n\nyour balance is 5,00",
    html="<p>Dear Anna,</p>",
    files=(ComparedFile("a.pdf", "application/pdf", "00", 5), ComparedFile("terms.pdf", "application/pdf", "11", 7)),
)
PRINTED = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cf", "Cs", "Zl", "Zp", "Zs", "Cn", "Co")), min_size=1
)


def found(theirs: ComparedMessage, ours: ComparedMessage = PLAIN) -> list[tuple[str, str]]:
    return [(one.field, one.what) for one in compared(theirs, ours, WORDS, RULES)]


def file(**changes: object) -> tuple[ComparedFile, ...]:
    return (replace(PLAIN.files[0], **changes), PLAIN.files[1])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"recipients": ("bert@example.com",)}, ("recipient", "To is another address")),
        ({"recipients": ("anna@example.com", "x@example.com")}, ("recipient", "it went to 1 more recipients")),
        ({"recipients": ()}, ("recipient", "the copy names no recipient")),
        ({"recipient_name": "Anna MÃ¼ller"}, ("recipient_name", "the name in To: old “…”, new “…”")),
        ({"sender": "x@y.example"}, ("sender", "From: old “x@y.example”, new “Bank <bank@example.com>”")),
        ({"reply_to": "x@y.example"}, ("reply_to", "Reply-To: old “x@y.example”, new “”")),
        ({"subject": "Invoice for Anna"}, ("subject", "subject: old “… for …”, new “Statement for …”")),
        ({"headers": (("precedence", "bulk"),)}, ("header", "header precedence: only the old server has it")),
        ({"text": "Dear ,\n\nyour balance is 5,00"}, ("text", "text: old “Dear ,”, new “Dear …”")),
        (
            {"text": "Dear Anna,\n\nyour balance is 17.00"},
            ("text", "text: old “your balance is 0.0”, new “your balance is 0,0”"),
        ),
        ({"text": None}, ("text", "only the new one has a text part")),
        ({"html": "<p>Dear Bert,</p>"}, ("html", "html: old “Dear …”, new “Dear …”")),
        ({"files": PLAIN.files[1:]}, ("attachment", "only we attach *.pdf")),
        ({"files": (*PLAIN.files, PLAIN.files[0])}, ("attachment", "only the old server attached *.pdf")),
        ({"files": file(name="b.pdf")}, ("attachment_name", "the same content has another name: old *.pdf, new *.pdf")),
        ({"files": file(sha256="22")}, ("attachment_hash", "*.pdf: another content, the old one is of the same size")),
        ({"files": file(sha256="22", size=4)}, ("attachment_hash", "*.pdf: another content, the old one is shorter")),
        ({"files": file(sha256="22", name="b.pdf")}, ("attachment_hash", "*.pdf: another name and another content")),
        ({"files": file(content_type="text/plain")}, ("attachment_type", "*.pdf: old text/plain, new application/pdf")),
    ],
)
def test_a_difference_is_named_and_no_customer(changes: dict[str, object], says: tuple[str, str]) -> None:
    assert found(replace(PLAIN, **changes)) == [says]  # type: ignore[arg-type]


def test_the_same_is_the_same() -> None:
    assert found(PLAIN) == []
    shuffled = replace(PLAIN, files=PLAIN.files[::-1], headers=(("x-mailer", "old"), ("received", "from there")))
    assert found(shuffled) == []


def test_an_email_has_a_bounded_number_of_differences() -> None:
    old, new = (replace(PLAIN, text="\n\n".join(f"{n}\n\n{word * n}" for n in range(1, 60))) for word in "ab")
    several = compared(old, new, KnownWords(""), RULES)
    assert len(several) <= MOST_OF_ONE + 1


@given(PRINTED, PRINTED)
def test_no_word_of_a_customer_is_shown(old: str, new: str) -> None:
    for one in compared(replace(PLAIN, text=old), replace(PLAIN, text=new), KnownWords("known"), RULES):
        letters = {letter for letter in one.what if letter.isalpha()}
        assert letters <= set("textoldnewknown") | {"T"}, one.what


@given(PRINTED, PRINTED)
def test_a_difference_is_found_whichever_side_has_it(old: str, new: str) -> None:
    forth = compared(replace(PLAIN, text=old), replace(PLAIN, text=new), WORDS, RULES)
    back = compared(replace(PLAIN, text=new), replace(PLAIN, text=old), WORDS, RULES)
    assert bool(forth) == bool(back)
    assert bool(forth) == (text_lines(old) != text_lines(new))


@given(st.lists(PRINTED, min_size=1, max_size=5), st.integers(1, 3))
def test_white_space_and_wrapping_of_a_text_are_no_difference(words: list[str], spaces: int) -> None:
    wrapped = f"{' ' * spaces}\r\n".join(words) + "\r\n \r\n"
    assert text_lines(wrapped) == text_lines(" ".join(words))


def test_spaces_entities_and_attributes_of_html_are_no_difference() -> None:
    one = '<p  class="a" style="color: red;\n margin:0">A &amp; B&nbsp;&ndash; C</p><br/><a href="x?a=1&amp;b=2">d</a>'
    two = "<P style='color:red;margin:0;' class='a'>\n  A & B – C<br><a href='x?a=1&b=2'>d</a>"
    assert html_lines(one) == html_lines(two)
    assert html_lines("<p>a</p>") != html_lines("<p>b</p>")
    assert html_lines("<b>a</b>b") != html_lines("<b>ab</b>")


@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-1"])
@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "8bit"])
def test_encodings_and_folding_are_no_difference(charset: str, encoding: str) -> None:
    text = "Grüße an Jürgen Großmann, und noch viel mehr Worte, damit die Zeile länger wird als sie sein darf. " * 3
    made = EmailMessage(policy=SMTP)
    made["From"], made["To"], made["Subject"] = "Bänk <b@example.com>", "Jürgen <a@example.com>", text[:90]
    made.set_content(text)
    encoded = text.encode(charset)
    body = {"base64": base64.encodebytes, "quoted-printable": quopri.encodestring, "8bit": bytes}[encoding](encoded)
    words = Header(text[:90], charset).encode(linesep="\r\n").encode()
    raw = (
        b"from: " + Header("Bänk", charset).encode().encode() + b" <B@EXAMPLE.com>\r\n"
        b"TO:\r\n "
        + Header("Jürgen", charset).encode().encode()
        + b"\r\n <a@example.com>\r\nSubject: "
        + words
        + b"\r\n"
        b'Content-Type: text/plain; charset="' + charset.encode() + b'"\r\n'
        b"Content-Transfer-Encoding: " + encoding.encode() + b"\r\n\r\n" + body
    )
    two = read_message(raw)
    one = replace(read_message(made.as_bytes()), sender=two.sender)
    assert compared(two, one, WORDS, RULES) == []
    assert two.sender in ("Bänk <B@example.com>", "Bänk <b@example.com>")


@given(st.binary(max_size=400))
def test_whatever_a_copy_holds_it_is_read_or_refused(content: bytes) -> None:
    try:
        read = read_message(content)
    except NoMessage:
        return
    compared(read, PLAIN, WORDS, RULES)


def test_rules_make_tracked_links_those_that_they_lead_to() -> None:
    rule = SamenessRule(
        "tracking", "html", r'https://click\.example\.com/\?to=([^"&]*)(?:&id=\d+)?', r"\1", unquote=True
    )
    rules = SamenessRules([rule])
    old = replace(PLAIN, html='<a href="https://click.example.com/?to=https%3A%2F%2Fa.example%2Fb&id=7">x</a>')
    new = replace(PLAIN, html='<a href="https://a.example/b">x</a>')
    assert compared(old, new, WORDS, rules) == []
    assert compared(old, new, WORDS, SamenessRules()) != []
    assert compared(replace(old, text=old.html), replace(new, text=new.html), WORDS, rules) != []


def test_headers_are_ignored_by_name_and_by_pattern() -> None:
    rules = SamenessRules((), ("date", "x-*"))
    assert [name for name in ("date", "x-mailer", "precedence") if rules.ignores(name)] == ["date", "x-mailer"]


def test_a_group_has_the_same_name_each_time() -> None:
    one = EmailDifference(DifferingField.TEXT, "a")
    assert (
        one.group == EmailDifference(DifferingField.TEXT, "a").group != EmailDifference(DifferingField.HTML, "a").group
    )


@given(st.binary(max_size=9000), st.sampled_from(["base64", "7bit"]), st.sampled_from(["\r\n", "\n"]))
def test_long_attachments_are_read_as_the_library_reads_them(content: bytes, encoding: str, end: str) -> None:
    body = base64.encodebytes(content).decode().replace("\n", end)
    head = f"From: a@example.com{end}Content-Transfer-Encoding: {encoding}{end}Content-Disposition: attachment{end}"
    raw = f"{head}Content-Type: application/pdf{end}{end}{body}".encode()
    expected = message_from_bytes(raw).get_payload(decode=True)
    assert isinstance(expected, bytes)
    (read,) = read_message(raw).files
    if encoding == "base64":
        assert expected == content
        assert (read.sha256, read.size) == (hashlib.sha256(content).hexdigest(), len(content))
    else:
        assert abs(read.size - len(expected)) <= len(end)


def test_ends_of_lines_in_a_text_file_are_no_difference() -> None:
    head = b"From: a@example.com\r\nContent-Type: text/csv\r\nContent-Disposition: attachment; filename=a.csv\r\n"
    plain, rows = head + b"\r\na;b\n1;2\n", base64.encodebytes(b"a;b\r\n1;2\r\n")
    encoded = head + b"Content-Transfer-Encoding: base64\r\n\r\n" + rows
    assert read_message(plain).files == read_message(encoded).files
