"""What a rehearsal looks for in rendered emails, and how it sums up half a million of them."""

import random
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eed_delivery.config import RenderingSettings
from eed_delivery.config.rehearsal import AcceptedFinding
from eed_delivery.errors import InfrastructureFailure, RenderError
from eed_delivery.model import AttachmentRef, Email, Job
from eed_delivery.rehearsal import duplicates
from eed_delivery.rehearsal.branches import taken, words_of
from eed_delivery.rehearsal.digest import JobDigest, template_digest
from eed_delivery.rehearsal.duplicates import Owned, shared
from eed_delivery.rehearsal.files import HUNG_IN_A_ROW, CommonFiles, HashedAttachments
from eed_delivery.rehearsal.findings import (
    FAILS,
    GROUPS_NAMED,
    KEYS_NAMED,
    OTHERS,
    RED,
    EmailFinding,
    FindingGroups,
    FindingKind,
    as_json,
    from_json,
    group_of,
)
from eed_delivery.rehearsal.looked_at import LookedAt, packed, recipient_hash, unpacked
from eed_delivery.rehearsal.looker import SeenTexts
from eed_delivery.rehearsal.texts import TextChecks
from eed_delivery.rehearsal.verdict import RehearsalRules, RehearsalVerdict, concluded
from eed_delivery.rendering.renderer import Renderer

K = FindingKind
FILE, OTHER_FILE = "ab" * 32, "cd" * 32


def found(text: str = "", html: str | None = None, subject: str = "", literals: str = "", *hosts: str) -> list[str]:
    return [one.what for one in TextChecks(literals, hosts, own_text=False).of(subject, html, text)]


@pytest.mark.parametrize(
    "words",
    [
        "Your balance: {{ balance }}", "{% if premium %}", "Dear Mr %s, hello", "at %(place)s", "${name}", "[[NAME]]",
        "«First_Name»", "It is None EUR", "null", "on NaN", "TODO: the second page", "lorem ipsum dolor", "undefined",
    ],
)  # fmt: skip
def test_a_placeholder_that_is_left_is_found(words: str) -> None:
    findings = TextChecks("", (), own_text=False).of("", None, words)
    assert {one.kind for one in findings} == {K.PLACEHOLDER}
    assert TextChecks("", (), own_text=False).of(words, None, "Fine")[0].what.endswith("is left in the subject")


@pytest.mark.parametrize(
    "words",
    [
        "100 % sure", "100%save", "5 %discount", "nothing is annulled", "a nullable non-None-value", "none of it",
        "[1] {2} <3>", "Dear Ann,", "Hello, we write to you", "Hi Ann!", "todo", "Karte XXX XXX 1234",
        "Ihr «Sparkonto»", "Liebe Frau Berger,", "width 100%}a",
    ],
)  # fmt: skip
def test_ordinary_words_are_no_finding(words: str) -> None:
    assert found(words if words != "width 100%}a" else "", f"<style>td{{{words}}}</style>") == []


def test_a_word_that_the_template_itself_says_is_no_missing_value() -> None:
    assert found("None of these", literals="None of these") == []
    assert found("None EUR", literals="None of these") == []
    assert found("null EUR", literals="None of these") == ["null is left in the text"]


@pytest.mark.parametrize(
    "words", ["Dear ,", "Dear,", "dear  ,\nmore", "Hi ,", "Hello !", "Sehr geehrte ,", "Guten Tag ,", "Chère :"]
)
def test_a_greeting_without_a_name_is_found(words: str) -> None:
    assert [one.kind for one in TextChecks("", (), own_text=False).of("", None, f"\n{words}\n")] == [K.EMPTY_GREETING]


@pytest.mark.parametrize(
    ("link", "what"),
    [
        ("https://www.bank.example/a?b=1&amp;c=2", ""),
        ("mailto:help@bank.example", ""),
        ("#top", ""),
        ("http://www.bank.example/", "a link is http and not https: www.bank.example"),
        ("https://evil.example/", "a link goes to a host that is not known: evil.example"),
        ("https://bank.example.evil.example/", "a link goes to a host that is not known: bank.example.evil.example"),
        ("", "a link leads nowhere"),
        ("#", "a link leads nowhere"),
        ("/statements", "a link leads nowhere"),
        ("https://[::1", "a link is none: https://[::1"),
    ],
)
def test_links(link: str, what: str) -> None:
    checks = TextChecks("", ("www.bank.example", ".cdn.example"), own_text=False)
    one = [finding.what for finding in checks.of("", f'<p><A class=x HREF="{link}">x</a>', "x")]
    assert one == ([what] if what else [])


def test_without_known_hosts_a_link_may_go_anywhere_and_a_plain_email_has_links_too() -> None:
    assert found("see https://any.example/ or http://any.example/") == ["a link is http and not https: any.example"]


def test_words_of_the_html_are_looked_at_where_the_job_has_a_text_of_its_own() -> None:
    html = "<style>None{}</style><p>Dear ,</p><p>None</p>"
    assert TextChecks("", (), own_text=False).of("", html, "fine") == []
    kinds = [one.kind for one in TextChecks("", (), own_text=True).of("", html, "fine")]
    assert kinds == [K.PLACEHOLDER, K.EMPTY_GREETING]


def job(html: str | None = None, text: str | None = None, subject: str = "Statement") -> Job:
    return Job(1, "1", 0, "bank@example.com", subject, html_template=html, text_template=text)


def test_branches_are_told_by_the_words_that_only_they_have() -> None:
    html = "<p>Hello\n{% if premium %}You are a premium customer{% elif x %}Extended{% else %}Become one now{% endif %}"
    branches = words_of(job(html)).branches
    assert [(one.name, one.marker) for one in branches] == [
        ("html template line 2 (if)", "You are a premium customer"),
        ("html template line 2 (else)", "Become one now"),
        ("html template line 2 (if)", "Extended"),
    ]
    assert taken(branches, "", "<p>Hello\nBecome one now", None) == 0b010
    assert words_of(job("{% if %}")).branches == ()  # it does not compile: rendering says so


def email(n: int, *files: str, recipient: str = "", size: int = 100, branches: int = 0) -> LookedAt:
    whose = recipient_hash(recipient or f"c{n}@example.com", b"key")
    return LookedAt(f"{n:04}", whose, size, f"{n:064x}", files, branches)


def test_an_email_is_kept_as_it_was_and_has_no_address() -> None:
    one = email(1, FILE, recipient="Ann@EXAMPLE.com")
    two = LookedAt("k\ud800", "ab", findings=(EmailFinding(K.LINK, "x"),), gone=True)
    kept = packed([one, two])
    assert list(unpacked(kept)) == [one, two]
    assert one.recipient == recipient_hash("ann@example.com", b"key")
    assert "example" not in one.recipient


def concluded_of(
    emails: Sequence[LookedAt], **rules: tuple[str, ...]
) -> tuple[RehearsalVerdict, list[tuple[str, int, list[str]]]]:
    result = concluded(lambda: iter(emails), RehearsalRules(**rules))  # type: ignore[arg-type]
    assert result.looked_at == len(emails)
    return result.verdict, [(one.kind, one.count, list(one.keys)) for one in result.findings]


def test_one_file_for_two_recipients_is_found() -> None:
    emails = [email(1, FILE, OTHER_FILE), email(2), email(3, FILE), email(4, FILE, recipient="c3@example.com")]
    double = ("duplicate_recipient", 2, ["0003", "0004"])
    verdict, groups = concluded_of(emails)
    assert (verdict, groups) == (RehearsalVerdict.FINDINGS, [("same_file", 3, ["0001", "0003", "0004"]), double])
    assert concluded_of(emails[2:])[1] == [double]  # both are one person's
    assert concluded_of(emails[2:], accepted=("duplicate_recipient",))[0] is RehearsalVerdict.CLEAN


def test_a_part_is_never_clean() -> None:
    assert concluded(lambda: iter([email(1)]), RehearsalRules(whole=False)).verdict is RehearsalVerdict.PARTIAL


def test_common_files_are_known_by_hash_name_or_pattern() -> None:
    common = CommonFiles((FILE, "terms.pdf", "agb-*.pdf"))
    assert [common.has(OTHER_FILE, name) for name in ("terms.pdf", "agb-2026.pdf", "Terms.pdf")] == [True, True, False]
    assert common.has(FILE, "any.pdf")


def test_emails_that_went_away_or_a_change_make_it_incomplete() -> None:
    gone = LookedAt("1", "ab", gone=True)
    assert concluded(lambda: iter([gone]), RehearsalRules()).verdict is RehearsalVerdict.INCOMPLETE
    changed = concluded(lambda: iter([email(1)]), RehearsalRules(), changes=["the template changed"])
    assert (changed.verdict, changed.changes) == (RehearsalVerdict.INCOMPLETE, ("the template changed",))


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3))), st.integers(1, 4))
def test_what_is_shared_is_found_in_any_number_of_passes(given_values: list[tuple[int, int]], a_pass: int) -> None:
    def values() -> Iterator[Owned]:
        for n, (value, owner) in enumerate(given_values):
            yield Owned(f"{value:032x}"[::-1], str(owner), str(n))

    before, duplicates.A_PASS = duplicates.A_PASS, a_pass
    try:
        told = {one.value: (one.count, one.keys, len(one.owners)) for one in shared(values, len(given_values))}
    finally:
        duplicates.A_PASS = before
    expected = {}
    for value in {one.value for one in values()}:
        its = [one for one in values() if one.value == value]
        if len(its) > 1:
            owners = min(2, len({one.owner for one in its}))
            expected[value] = (len(its), [one.key for one in its][:KEYS_NAMED], owners)
    assert told == expected


def test_groups_and_keys_are_bounded_and_counts_are_whole() -> None:
    findings = FindingGroups()
    for n in range(3 * GROUPS_NAMED):
        findings.add(K.LINK, f"host {n}", [str(n)])
    for n in range(3 * KEYS_NAMED):
        findings.add(K.SAME_FILE, "one", [str(n)])
    groups = list(findings)
    assert groups[0].kind is K.SAME_FILE
    assert (groups[0].count, groups[0].keys) == (3 * KEYS_NAMED, tuple(map(str, range(KEYS_NAMED))))
    assert len(groups) == 1 + GROUPS_NAMED + 1
    assert sum(one.count for one in groups if one.kind is K.LINK) == 3 * GROUPS_NAMED
    assert groups[1].what == OTHERS
    assert from_json(as_json(groups)) == tuple(groups)


def test_reasons_are_grouped_without_what_differs() -> None:
    one = group_of("attachment 'statements/1047.pdf' does not exist, for ann@example.com (file 17)")
    assert one == group_of("attachment 'statements/8.pdf' does not exist, for bob@example.com (file 9)")
    assert "ann" not in one
    assert group_of("html template, line 7: 'vip' is not given") == "html template, line 7: 'vip' is not given"


def test_samples_are_the_extremes_each_branch_and_some_at_random() -> None:
    branches = words_of(job("{% if a %}premium customer{% endif %}")).branches
    emails = [email(n, size=100 + n * 7 % 50, branches=n == 30) for n in range(50)]
    emails[11] = email(11, FILE, OTHER_FILE, size=120)
    emails.append(LookedAt("9999", "ab", findings=(EmailFinding(K.NOT_RENDERED, "no"),)))
    result = concluded(lambda: iter(emails), RehearsalRules(random_samples=5), branches)
    why = {one.why.split(", ")[0]: one.key for one in result.samples}
    assert why["shortest"] == min(emails[:50], key=lambda one: one.size).key
    assert why["longest"] == max(emails[:50], key=lambda one: one.size).key
    assert why["most attachments"] == "0011"
    assert why["html template line 1 (if)"] == "0030"
    drawn = {one.key for one in result.samples if "at random" in one.why}
    assert len(drawn) == 5
    mixed = list(emails)
    random.Random(1).shuffle(mixed)
    again = concluded(lambda: iter(mixed), RehearsalRules(random_samples=5), branches)
    assert {one.key for one in again.samples if "at random" in one.why} == drawn


def test_a_digest_is_bound_to_each_message_and_its_key() -> None:
    def digest(*emails: LookedAt) -> str:
        made = JobDigest()
        for one in emails:
            made.add(one)
        return made.hexdigest()

    digests = {digest(email(1)), digest(email(1), email(2)), digest(email(2), email(1)), digest(LookedAt("0001", ""))}
    assert len(digests) == 4


def test_the_templates_digest_sees_every_part() -> None:
    jobs = [job(), job("x"), job(text="x"), job(subject="x")]
    files = Job(1, "1", 0, "bank@example.com", "Statement", attachments=(AttachmentRef("terms.pdf"),))
    assert len({template_digest(one) for one in [*jobs, files]}) == 5


def test_each_attachment_that_is_read_is_hashed(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"abc")
    store = HashedAttachments(tmp_path)
    (tmp_path / "terms.pdf").write_bytes(b"terms")
    store.begin([AttachmentRef("a.pdf", "Statement.pdf")])
    store.read(AttachmentRef("terms.pdf"))  # of the job
    store.read(AttachmentRef("a.pdf", "Statement.pdf"))
    sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1
    assert store.noted == ((sha256, "Statement.pdf"),)
    store.begin([])
    assert store.noted == ()


def test_the_renderer_shows_its_texts_before_they_are_encoded(tmp_path: Path) -> None:
    seen = SeenTexts()
    renderer = Renderer(RenderingSettings(message_id_domain="example.com"), HashedAttachments(tmp_path), seen=seen)
    compiled = renderer.compile(job("<p>{{ name }}</p>"))
    renderer.render(compiled, Email(1, 1, "1", 0, 0, 0, "a@example.com", variables={"name": "Änn"}))
    assert (seen.subject, seen.html, seen.text) == ("Statement", "<p>Änn</p>", "Änn")


def test_what_would_fail_or_is_red_cannot_be_accepted() -> None:
    possible = set(get_args(AcceptedFinding))
    assert possible == {kind.value for kind in FindingKind} - RED - FAILS


class HangingFiles(HashedAttachments):
    """As a mount whose server is gone: a read of one of these waits until the test lets go."""

    hangs: frozenset[str] = frozenset()

    def _content(self, location: str) -> bytes:
        if location in self.hangs:
            LET_GO.wait()
        return super()._content(location)


LET_GO = threading.Event()


def test_a_read_that_does_not_come_back_is_named_and_a_dead_mount_is_no_emails_fault(tmp_path: Path) -> None:
    for name in ("good", "bad"):
        (tmp_path / name).write_text(name)
    files = HangingFiles(tmp_path, seconds=0.05)
    files.hangs = frozenset({"bad"})
    good, bad = AttachmentRef("good"), AttachmentRef("bad")
    try:
        for _ in range(HUNG_IN_A_ROW):
            with pytest.raises(RenderError, match="more than 0 s"):
                files.read(bad)
            assert files.read(good).content == b"good"
        for _ in range(HUNG_IN_A_ROW - 1):
            with pytest.raises(RenderError):
                files.read(bad)
        with pytest.raises(InfrastructureFailure, match="3 reads"):
            files.read(bad)
    finally:
        LET_GO.set()
