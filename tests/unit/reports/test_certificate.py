"""For any emails whatever: the sums are right, the CSV gives every text back, and the auditor's script agrees."""

import csv
import hashlib
import importlib.util
import io
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eed_delivery.events import DeliveryOutcome
from eed_delivery.ledger.manifests import JobManifest
from eed_delivery.ledger.proofs import NO_PROOF, Proof
from eed_delivery.ledger.reporting import EmailReport, JobReport, RefusalReport
from eed_delivery.ledger.tracking.engagement import Engagement
from eed_delivery.model import OPEN_STATES, EmailState, JobState
from eed_delivery.reports.certificate import Certificate, Reconciliation
from eed_delivery.reports.rows import COLUMNS, ENGAGEMENT_COLUMNS, facts
from eed_delivery.untrusted import bare

SCRIPT = Path(__file__).parents[3] / "docs" / "check_certificate.py"
NOW = datetime.fromisoformat("2026-11-22T12:00:00")

# What a database can hold as text: no surrogates.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
AWKWARD = st.none() | TEXT | st.sampled_from(["=1", "'=1", "a\r\nb", '"', ""])
MOMENTS = st.none() | st.datetimes(NOW - timedelta(days=10_000), NOW + timedelta(days=10_000))


def checker() -> Any:
    spec = importlib.util.spec_from_file_location("check_certificate", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CHECKER = checker()


@st.composite
def emails(draw: st.DrawFn) -> list[EmailReport]:
    """Any number of emails, each with a key of its own."""
    return [
        EmailReport(
            email_id=n,
            key=draw(st.sampled_from(["", "=", "'", "-", "é,"])) + str(n),
            job_id=1,
            recipient=draw(AWKWARD) or "",
            state=draw(st.sampled_from(EmailState)),
            gen=0,
            attempts=draw(st.integers(0, 9)),
            detail=draw(AWKWARD),
            message_id=draw(AWKWARD),
            not_before=None,
            changed_at=draw(MOMENTS),
            outcome=draw(st.none() | st.sampled_from(DeliveryOutcome)),
            outcome_at=draw(MOMENTS),
        )
        for n in range(draw(st.integers(0, 8)))
    ]


@pytest.mark.parametrize(
    ("reconciled_at", "differences", "words"),
    [
        (None, None, "not reconciled with the source"),
        (NOW, None, "not reconciled with the source"),
        (NOW - timedelta(seconds=1), 0, "not reconciled with the source since it finished"),
        (NOW, 0, "reconciled with the source at 2026-11-22T12:00:00.000Z: 0 differences"),
        (NOW, 1, "reconciled with the source at 2026-11-22T12:00:00.000Z: 1 difference"),
        (NOW, 1234, "reconciled with the source at 2026-11-22T12:00:00.000Z: 1,234 differences"),
    ],
)
def test_it_says_whether_the_source_was_compared(
    reconciled_at: datetime | None, differences: int | None, words: str
) -> None:
    compared = replace(job([]), finished_at=NOW, reconciled_at=reconciled_at, differences=differences)
    record = Reconciliation().certificate(compared, NOW, NOW).as_json()
    assert (record["reconciled"], record["source_differences"]) == (words, differences)


def test_it_says_of_each_manifest_whether_it_was_put_and_is_silent_where_there_is_none() -> None:
    put = JobManifest(1, "partner", NOW, NOW, "1/manifest.json", "ab" * 32, 2, 10, 0, None)
    outstanding = JobManifest(2, "partner", NOW, None, None, "cd" * 32, None, None, 3, "it is away")
    record = Reconciliation().certificate(job([]), NOW, NOW, [put, outstanding]).as_json()
    facts = {"path": "1/manifest.json", "files": 2, "size": 10, "sha256": "ab" * 32}
    assert record["manifests"] == [
        {"number": 1, "channel": "partner", "put_at": "2026-11-22T12:00:00.000Z", **facts},
        {"number": 2, "channel": "partner", "put_at": None, **dict.fromkeys(facts)},
    ]
    lacking = replace(put, unlisted=3)
    (of_lacking,) = Reconciliation().certificate(job([]), NOW, NOW, [lacking]).as_json()["manifests"]
    assert of_lacking["unlisted"] == 3
    assert "manifests" not in Reconciliation().certificate(job([]), NOW, NOW).as_json()


def job(found: Sequence[EmailReport], /, **facts: Any) -> JobReport:
    """The job that has just these emails, unless `facts` say otherwise."""
    counts = {state: sum(email.state is state for email in found) for state in EmailState}
    told: dict[str, Any] = {"total": len(found), "enlisted": True, "counts": counts} | facts
    told = {"found": sum(told.get(name, 0) for name in ("total", "moved", "regenerated", "refused"))} | told
    return JobReport(
        job_id=1, key="1", name="n", state=JobState.ACTIVE, reason=None, not_enlisted=0, created_at=NOW,
        finished_at=None, running_seconds=1.0, watched=True, **told,
    )  # fmt: skip


@st.composite
def refusals(draw: st.DrawFn) -> list[RefusalReport]:
    """Any refused rows; a key may come in several rounds, and may be that of an email."""
    keys = st.sampled_from(["", "1", "=2", "é,"]) | TEXT
    reasons = st.sampled_from(["its key is empty", "=known", '"a\n'])
    return draw(st.lists(st.builds(RefusalReport, keys, reasons, st.integers(0, 3), st.just(NOW)), max_size=5))


def report(
    found: Sequence[EmailReport],
    refused: Sequence[RefusalReport] = (),
    /,
    proofs: Mapping[int, Proof] | None = None,
    **of_job: Any,
) -> tuple[bytes, Certificate]:
    reconciliation = Reconciliation()
    known = proofs or {}
    rows = (reconciliation.row(email, None, known.get(email.email_id, NO_PROOF)) for email in found)
    content = reconciliation.header + b"".join(rows)
    content += b"".join(map(reconciliation.refusal, refused))
    return content, reconciliation.certificate(job(found, **{"refused": len(refused)} | of_job), NOW, NOW)


def differences(directory: Path, content: bytes, certificate: dict[str, Any]) -> list[str]:
    path = directory / "report.csv"
    path.write_bytes(content)
    found: list[str] = CHECKER.check(str(path), json.loads(json.dumps(certificate)))
    return found


@given(emails())
def test_every_text_comes_back_from_the_csv(found: list[EmailReport]) -> None:
    content, _ = report(found)
    header, *rows = csv.reader(io.StringIO(content.decode(), newline=""), strict=True)
    assert tuple(header) == COLUMNS
    for row, email in zip(rows, found, strict=True):
        back = dict(zip(COLUMNS, map(bare, row), strict=True))
        expected = facts(email)
        for name in ("email", "recipient", "message_id", "detail"):
            assert back[name] == (expected[name] or "")
        assert (back["state"], back["outcome"]) == (email.state, email.outcome or "")


@given(emails())
def test_the_sums_come_out_even(found: list[EmailReport]) -> None:
    _, certificate = report(found)
    assert sum(certificate.states.values()) == certificate.rows == len(found)
    assert sum(certificate.outcomes.values()) == certificate.states[EmailState.SENT]
    silent = [e for e in found if e.state is not EmailState.SENT and e.outcome is not None]
    assert certificate.outcomes_of_others == len(silent)
    assert certificate.balanced == (not any(email.state in OPEN_STATES for email in found))
    for words in certificate.sums[:2]:
        total, _, parts = words.partition(" = ")
        assert int(total.split()[0]) == sum(int(part.split()[0]) for part in parts.split(" + "))


@given(found=emails(), refused=refusals(), moved=st.integers(0, 3), regenerated=st.integers(0, 3))
def test_the_auditors_script_agrees(
    tmp_path_factory: pytest.TempPathFactory,
    found: list[EmailReport],
    refused: list[RefusalReport],
    moved: int,
    regenerated: int,
) -> None:
    content, certificate = report(found, refused, moved=moved, regenerated=regenerated)
    assert differences(tmp_path_factory.getbasetemp(), content, certificate.as_json()) == []
    assert certificate.balanced == (not any(email.state in OPEN_STATES for email in found))
    assert certificate.sums[2] == (
        f"{len(found) + moved + regenerated + len(refused)} found = {len(found)} enlisted + {moved} moved"
        f" + {regenerated} regenerated + {len(refused)} refused"
    )


@given(found=emails(), refused=refusals())
def test_each_refused_row_has_its_line_with_key_and_reason(
    found: list[EmailReport], refused: list[RefusalReport]
) -> None:
    content, _ = report(found, refused)
    rows = list(csv.reader(io.StringIO(content.decode(), newline=""), strict=True))[1 + len(found) :]
    assert [(bare(row[0]), row[2], bare(row[6])) for row in rows] == [(r.key, "refused", r.reason) for r in refused]


@pytest.mark.parametrize(
    "of_job",
    [{"found": 3}, {"found": 1, "refused": 0}, {"found": 3, "refused": 2}, {"found": 1, "refused": -1, "moved": 1}],
)
def test_a_row_that_is_not_accounted_for_does_not_balance(tmp_path: Path, of_job: dict[str, Any]) -> None:
    """One email, and one refused row: the ledger says otherwise."""
    email = EmailReport(1, "1", 1, "a@b", EmailState.SENT, 0, 1, None, None, None, NOW, None, None)
    refused = [RefusalReport("2", "its key is empty", 0, NOW)]
    content, certificate = report([email], refused)
    assert certificate.verdict == "BALANCED"
    for name in ("found", "refused", "moved", "regenerated", "refused_rows"):
        wrong = certificate.as_json() | {name: certificate.as_json()[name] + 1}
        assert differences(tmp_path, content, wrong)
    content, certificate = report([email], refused, **of_job)
    assert certificate.verdict == "NOT BALANCED YET"
    assert differences(tmp_path, content, certificate.as_json()) == []
    assert differences(tmp_path, content, certificate.as_json() | {"verdict": "BALANCED"})


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (b"2,,refused,0,2026-11-22T12:00:00.000Z,,its key is empty,,", b"", "refused_rows"),
        (b",its key is empty,", b",,", "without its reason"),
        (b"2,,refused,0", b"2,a@b,refused,0", "what only an email has"),
        (b"2,,refused", b"3,,refused", "sha256"),
    ],
)
def test_a_refused_row_that_was_changed_is_found_out(tmp_path: Path, before: bytes, after: bytes, told: str) -> None:
    content, certificate = report([], [RefusalReport("2", "its key is empty", 0, NOW)])
    assert before in content
    wrong = differences(tmp_path, content.replace(before, after), certificate.as_json())
    assert any(told in words for words in wrong)


@given(found=emails(), refused=refusals(), data=st.data())
def test_no_byte_can_be_changed_unseen(
    tmp_path_factory: pytest.TempPathFactory,
    found: list[EmailReport],
    refused: list[RefusalReport],
    data: st.DataObject,
) -> None:
    content, certificate = report(found, refused)
    at = data.draw(st.integers(0, len(content) - 1))
    changed = content[:at] + bytes([(content[at] + data.draw(st.integers(1, 255))) % 256]) + content[at + 1 :]
    with suppress(ValueError, csv.Error):  # no UTF-8 any more, or no CSV: the script says so, and ends with 1
        assert differences(tmp_path_factory.getbasetemp(), changed, certificate.as_json())


def opened_report(found: Sequence[EmailReport], opens: Sequence[Engagement]) -> tuple[bytes, Certificate]:
    """With `--opens`."""
    reconciliation = Reconciliation(with_engagement=True)
    rows = b"".join(reconciliation.row(email, one) for email, one in zip(found, opens, strict=True))
    return reconciliation.header + rows, reconciliation.certificate(job(found), NOW, NOW)


@given(found=emails(), data=st.data())
def test_opens_and_clicks_stand_behind_the_other_columns(
    tmp_path_factory: pytest.TempPathFactory, found: list[EmailReport], data: st.DataObject
) -> None:
    counts = st.integers(0, 3)
    opens = [Engagement(*(data.draw(counts) for _ in ENGAGEMENT_COLUMNS)) for _ in found]
    content, certificate = opened_report(found, opens)
    plain, without = report(found)
    rows = list(csv.reader(io.StringIO(content.decode(), newline="")))
    assert [row[: len(COLUMNS)] for row in rows] == list(csv.reader(io.StringIO(plain.decode(), newline="")))
    assert rows[0][len(COLUMNS) :] == list(ENGAGEMENT_COLUMNS)
    told = certificate.as_json()
    assert told["version"] == 4
    assert (told["sums"], told["states"]) == (list(without.sums), without.states)  # opens are in no sum
    assert told["engagement"]["machine_clicked"] == sum(one.machine_clicks > 0 for one in opens)
    directory = tmp_path_factory.getbasetemp()
    assert differences(directory, content, told) == []
    assert differences(directory, content, told | {"version": 2})
    assert differences(directory, content, told | {"engagement": told["engagement"] | {"clicked": 99}})
    assert differences(directory, plain, without.as_json() | {"version": 1})


def test_a_count_that_is_none_is_found_out(tmp_path: Path) -> None:
    email = EmailReport(1, "1", 1, "a@b", EmailState.SENT, 0, 1, None, None, None, NOW, None, None)
    content, certificate = opened_report([email], [Engagement(2)])
    wrong = content.replace(b",2,0,0,0", b",2,0,-1,0")
    assert any("-1" in words and "no count" in words for words in differences(tmp_path, wrong, certificate.as_json()))


@pytest.mark.parametrize(
    "of_job",
    [
        {"total": 2},
        {"enlisted": False},
        {"counts": dict.fromkeys(EmailState, 0) | {EmailState.FAILED: 1}},
        {"counts": dict.fromkeys(EmailState, 0) | {EmailState.SENT: 1, EmailState.PENDING: 1}, "total": 2},
    ],
)
def test_what_the_ledger_says_differently_does_not_balance(tmp_path: Path, of_job: dict[str, Any]) -> None:
    email = EmailReport(1, "1", 1, "a@b", EmailState.SENT, 0, 1, None, None, None, NOW, None, None)
    content, certificate = report([email])
    assert certificate.verdict == "BALANCED"
    content, certificate = report([email], **of_job)
    assert certificate.verdict == "NOT BALANCED YET"
    assert differences(tmp_path, content, certificate.as_json()) == []
    assert differences(tmp_path, content, certificate.as_json() | {"verdict": "BALANCED"})


def test_an_open_email_beside_the_total_does_not_balance(tmp_path: Path) -> None:
    """The ledger says that one email is the whole job, and has two."""
    first = EmailReport(1, "1", 1, "a@b", EmailState.SENT, 0, 1, None, None, None, NOW, None, None)
    content, certificate = report([first, replace(first, key="2", state=EmailState.PENDING)], total=1)
    assert certificate.verdict == "NOT BALANCED YET"
    assert differences(tmp_path, content, certificate.as_json()) == []


OLD = (
    "email,recipient,state,attempts,changed_at,message_id,detail,outcome,outcome_at\r\n"
    "1,a@b,sent,1,2026-11-22T12:00:00.000Z,m,250 ok,delivered,2026-11-22T12:00:00.000Z\r\n"
    "2,c@d,failed,1,2026-11-22T12:00:00.000Z,,550 no,,\r\n"
)
OLD_CERTIFICATE: dict[str, Any] = {
    "format": "eed-delivery reconciliation certificate", "version": 1, "verdict": "BALANCED", "job": "1", "name": "n",
    "state": "finished", "all_enlisted": True, "changed_while_read": False, "total": 2, "rows": 2,
    "states": {
        "pending": 0, "queued": 0, "sending": 0, "sent": 1, "failed": 1, "in_doubt": 0, "suppressed": 0, "cancelled": 0
    },
    "open": 0,
    "outcomes_of_sent": {
        "delivered": 1, "soft_bounced": 0, "hard_bounced": 0, "complained": 0, "no_word_yet": 0
    },
    "outcomes_of_others": 0,
    "sums": [
        "2 = 1 sent + 1 failed + 0 suppressed + 0 cancelled + 0 in_doubt",
        "1 sent = 1 delivered + 0 soft_bounced + 0 hard_bounced + 0 complained + 0 no_word_yet",
    ],
}  # fmt: skip


def test_certificates_of_older_versions_stay_checkable(tmp_path: Path) -> None:
    """As version 1 wrote them, and version 2 with opens."""
    content = OLD.encode()
    certificate = OLD_CERTIFICATE | {"sha256": hashlib.sha256(content).hexdigest()}
    assert differences(tmp_path, content, certificate) == []
    assert differences(tmp_path, content, certificate | {"total": 3})
    assert differences(tmp_path, content, certificate | {"version": 3})
    lines = OLD.splitlines()
    counts = ["opens,clicks,machine_opens,machine_clicks", "2,0,0,1", "0,0,0,0"]
    content = "".join(f"{line},{more}\r\n" for line, more in zip(lines, counts, strict=True)).encode()
    engagement = {"opened": 1, "clicked": 0, "machine_opened": 0, "machine_clicked": 1}
    certificate |= {"version": 2, "engagement": engagement, "sha256": hashlib.sha256(content).hexdigest()}
    assert differences(tmp_path, content, certificate) == []
    refused = content + b"3,,refused,0,,,why,,,0,0,0,0\r\n"
    assert any("no state" in words for words in differences(tmp_path, refused, certificate))


VERSION_3: dict[str, Any] = OLD_CERTIFICATE | {
    "version": 3, "found": 2, "moved": 0, "regenerated": 0, "refused": 0, "refused_rows": 0,
    "sums": [*OLD_CERTIFICATE["sums"], "2 found = 2 enlisted + 0 moved + 0 regenerated + 0 refused"],
}  # fmt: skip


def test_a_certificate_without_digests_stays_checkable(tmp_path: Path) -> None:
    """As version 3 wrote them."""
    certificate = VERSION_3 | {"sha256": hashlib.sha256(OLD.encode()).hexdigest()}
    assert differences(tmp_path, OLD.encode(), certificate) == []
    assert differences(tmp_path, OLD.encode(), certificate | {"version": 4})


@st.composite
def proofs_of(draw: st.DrawFn, found: Sequence[EmailReport]) -> dict[int, Proof]:
    """What may be known of these emails."""
    digests = st.binary(min_size=32, max_size=32).map(bytes.hex)
    proofs = {}
    for email in found:
        if email.state in (EmailState.SENT, EmailState.IN_DOUBT) and draw(st.booleans()):
            archived = draw(st.none() | st.just(NOW)) if email.state is EmailState.SENT else None
            proofs[email.email_id] = Proof(draw(digests), archived)
    return proofs


@given(found=emails(), data=st.data(), wanted=st.booleans())
def test_one_digest_is_over_all_that_was_sent(
    tmp_path_factory: pytest.TempPathFactory, found: list[EmailReport], data: st.DataObject, wanted: bool
) -> None:
    proofs = data.draw(proofs_of(found))
    archived = sum(proof.archived_at is not None for proof in proofs.values())
    wanted = wanted or archived > 0
    content, certificate = report(found, proofs=proofs, archive=wanted)
    told, directory = certificate.as_json(), tmp_path_factory.getbasetemp()
    assert differences(directory, content, told) == []
    sent = [email for email in found if email.state is EmailState.SENT]
    assert told["content"]["emails"] + told["content"]["without"] == len(sent)
    missing = len(sent) - archived
    complete = {"archived": archived, "missing": missing, "complete": missing == 0}
    assert told["archive"] == (complete if wanted else None)
    for name, wrong in {"emails": 99, "without": 99, "sha256": "0" * 64, "rule": ""}.items():
        assert differences(directory, content, told | {"content": told["content"] | {name: wrong}})
    if wanted:
        assert differences(directory, content, told | {"archive": complete | {"complete": not complete["complete"]}})


def test_the_digest_is_that_of_lines_as_sha256sum_writes_them() -> None:
    """An auditor's own few lines come to the same."""
    emails = [
        EmailReport(n, f"=k{n}", 1, "a@b", state, 0, 1, None, None, None, NOW, None, None)
        for n, state in enumerate([EmailState.SENT, EmailState.IN_DOUBT, EmailState.SENT, EmailState.SENT])
    ]
    proofs = {n: Proof(hashlib.sha256(b"%d" % n).hexdigest()) for n in (0, 1, 3)}
    _, certificate = report(emails, proofs=proofs)
    lines = "".join(f"{hashlib.sha256(b'%d' % n).hexdigest()}  '=k{n}\n" for n in (0, 3))
    assert certificate.content.sha256 == hashlib.sha256(lines.encode()).hexdigest()
    assert (certificate.content.emails, certificate.as_json()["content"]["without"]) == (2, 1)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (b"ab" * 32 + b",", b"ab" * 31 + b"xy,", "no SHA-256"),
        (b"ab" * 32 + b",", b",", "of what was not sent"),
        (b"ab" * 32 + b",2026-11-22T12:00:00.000Z", b"ab" * 32 + b",", "archive"),
        (b"b,sent", b"b,failed", "of what was not sent"),
    ],
)
def test_a_digest_that_was_changed_is_found_out(tmp_path: Path, before: bytes, after: bytes, told: str) -> None:
    email = EmailReport(1, "1", 1, "a@b", EmailState.SENT, 0, 1, None, None, None, NOW, None, None)
    content, certificate = report([email], proofs={1: Proof("ab" * 32, NOW)}, archive=True)
    assert before in content
    wrong = differences(tmp_path, content.replace(before, after), certificate.as_json())
    assert any(told in words for words in wrong)


def test_the_bytes_of_version_4_stay_as_they_are() -> None:
    email = EmailReport(
        7, "k", 1, "a@b", EmailState.SENT, 0, 2, '250 "ok", é', "m", None, NOW, DeliveryOutcome.DELIVERED, NOW
    )
    refused = [RefusalReport("=9", "its key occurs twice", 0, NOW)]
    content, certificate = report([email], refused, proofs={7: Proof("ab" * 32, NOW)})
    assert content.decode() == (
        "email,recipient,state,attempts,changed_at,message_id,detail,outcome,outcome_at,sha256,archived_at\r\n"
        'k,a@b,sent,2,2026-11-22T12:00:00.000Z,m,"250 ""ok"", é",delivered,2026-11-22T12:00:00.000Z,'
        "abababababababababababababababababababababababababababababababab,2026-11-22T12:00:00.000Z\r\n"
        "'=9,,refused,0,2026-11-22T12:00:00.000Z,,its key occurs twice,,,,\r\n"
    )
    assert certificate.as_json()["version"] == 4


def test_half_a_surrogate_stops_no_report() -> None:
    email = EmailReport(1, "1", 1, "a\ud800@b", EmailState.SENT, 0, 1, None, None, None, NOW, None, None)
    assert b"a\\ud800@b" in report([email])[0]
