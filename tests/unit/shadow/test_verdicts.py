"""The verdict of each pair of fates, counts that add up, and copies and logs as they are found."""

import gzip
import os
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eed_delivery.model import EmailState
from eed_delivery.shadow.acceptance import AcceptedDifference, AcceptedDifferences
from eed_delivery.shadow.comparer import read_copy
from eed_delivery.shadow.copies import CopyFolder, CopyScan
from eed_delivery.shadow.differences import DifferingField, EmailDifference
from eed_delivery.shadow.fates import (
    Judged,
    LogFate,
    NewFate,
    NewSide,
    OldFate,
    OldSide,
    ShadowVerdict,
    judged,
    old_fate,
)
from eed_delivery.shadow.messages import NoMessage
from eed_delivery.shadow.relay_logs import LoggedEmail, RelayLogs
from eed_delivery.shadow.tally import MOST_GROUPS, JobTally, signatures, total

SUBJECT = EmailDifference(DifferingField.SUBJECT, "subject: another one")
HEAD = "From: a@example.com\nDate: Tue, 1 Dec 2026 02:00:00 +0000\nMessage-ID: <{key}@old.example>\nX-Key: {key}\n\n"


@pytest.mark.parametrize(
    ("old", "new", "differences", "verdict"),
    [
        (OldSide(OldFate.SENT), NewFate.SENT, (), "same"),
        (OldSide(OldFate.SENT, 1), NewFate.SENT, (), "same"),
        (OldSide(OldFate.SENT, 1), NewFate.SENT, (SUBJECT,), "differs"),
        (OldSide(OldFate.SENT, 0), NewFate.SENT, (), "differs"),
        (OldSide(OldFate.SENT, 2), NewFate.SENT, (), "differs"),
        (OldSide(OldFate.SENT, 1, queued=2), NewFate.SENT, (), "differs"),
        (OldSide(OldFate.SENT, 1, extra=1), NewFate.SENT, (), "differs"),
        (OldSide(OldFate.SENT, 1, log=LogFate.ABSENT), NewFate.SENT, (), "differs"),
        (OldSide(OldFate.SENT, 1, log=LogFate.BOUNCED), NewFate.SENT, (), "same"),
        (OldSide(OldFate.SENT, 1, "it cannot be read"), NewFate.SENT, (), "not_comparable"),
        (OldSide(OldFate.SENT, 1), NewFate.FAILED, (), "only_old"),
        (OldSide(OldFate.SENT, 1), NewFate.SUPPRESSED, (), "only_old"),
        (OldSide(OldFate.SENT, 1), NewFate.UNKNOWN, (), "not_comparable"),
        (OldSide(OldFate.FAILED), NewFate.SENT, (), "only_new"),
        (OldSide(OldFate.FAILED, log=LogFate.BOUNCED), NewFate.SENT, (), "same"),
        (OldSide(OldFate.FAILED), NewFate.FAILED, (), "same"),
        (OldSide(OldFate.FAILED), NewFate.SUPPRESSED, (), "differs"),
        (OldSide(OldFate.FAILED, 1), NewFate.SENT, (), "differs"),
        (OldSide(OldFate.NOT_SENT, 0), NewFate.SENT, (), "only_new"),
        (OldSide(OldFate.NOT_SENT, 1), NewFate.SENT, (), "differs"),
        (OldSide(OldFate.NOT_SENT), NewFate.SUPPRESSED, (), "same"),
        (OldSide(OldFate.SUPPRESSED), NewFate.SUPPRESSED, (), "same"),
        (OldSide(OldFate.SUPPRESSED), NewFate.SENT, (), "only_new"),
        (OldSide(OldFate.CANCELLED), NewFate.SENT, (), "not_comparable"),
        (OldSide(OldFate.UNKNOWN), NewFate.SENT, (), "not_comparable"),
    ],
)
def test_the_verdict_of_two_fates(
    old: OldSide, new: NewFate, differences: tuple[EmailDifference, ...], verdict: str
) -> None:
    found = judged(old, NewSide(new), differences)
    assert found.verdict == verdict
    assert bool(found.differences) == (verdict != "same")


def test_each_state_has_a_fate() -> None:
    assert old_fate(None) is OldFate.UNKNOWN
    assert old_fate(EmailState.IN_DOUBT) is OldFate.SENT
    assert old_fate(EmailState.PENDING) is OldFate.NOT_SENT


WHATS = st.lists(st.tuples(st.sampled_from(list(DifferingField)), st.text("abc", max_size=2)), max_size=3)


@given(st.lists(st.tuples(st.sampled_from(list(ShadowVerdict)), WHATS), max_size=60))
def test_counts_add_up_and_are_the_same_after_a_break(
    several: list[tuple[ShadowVerdict, list[tuple[str, str]]]],
) -> None:
    judgements = [
        Judged(verdict, tuple(EmailDifference(DifferingField(field), what) for field, what in whats))
        for verdict, whats in several
    ]
    whole, broken = JobTally(), JobTally()
    for number, one in enumerate(judgements):
        assert (whole.add(str(number), one) is None) == (one.verdict is ShadowVerdict.SAME)
        broken = JobTally.of(broken.as_json())
        broken.add(str(number), one)
    assert whole == broken
    assert sum(whole.counts.values()) == len(several)
    assert sum(total(whole.counts, verdict) for verdict in ShadowVerdict) == len(several)
    assert all(name in whole.groups for _, names, _ in signatures(whole.counts) for name in names)


def test_groups_are_bounded_and_counts_are_whole() -> None:
    tally = JobTally()
    for number in range(3000):
        found = EmailDifference(DifferingField.TEXT, f"text: {number}")
        tally.add(str(number), Judged(ShadowVerdict.DIFFERS, (found,)))
    assert len(tally.groups) == MOST_GROUPS + 1
    assert sum(tally.counts.values()) == 3000


def test_the_first_rule_that_fits_accepts() -> None:
    rules = [AcceptedDifference(name, "text", "old “Sent", "a", "why") for name in ("one", "two")]
    found = AcceptedDifferences(rules)
    assert [getattr(found.of(field, "text: old “Sent by”"), "name", None) for field in ("text", "html")] == [
        "one",
        None,
    ]


def keys(scan: CopyScan) -> list[str]:
    return sorted(one.match for one in scan.found(1e12))


def test_copies_in_a_folder_are_found_once_they_are_there(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("1.eml", "sub/2.EML", "notes.txt"):
        (tmp_path / name).write_text(HEAD.format(key=name[0]))
    folder = CopyFolder(tmp_path, "eml", "file_name")
    scan = CopyScan(folder, {}, 0.0)
    assert keys(scan) == ["1", "2"]
    assert keys(CopyScan(folder, scan.kept(), 0.0)) == []
    assert keys(CopyScan(folder, {}, 1e12)) == []
    by_id = CopyScan(CopyFolder(tmp_path, "eml", "message_id"), {}, 0.0)
    assert keys(by_id) == ["1@old.example", "s@old.example"]
    assert keys(CopyScan(CopyFolder(tmp_path, "eml", "header:x-key"), {}, 0.0)) == ["1", "s"]


def test_a_copy_that_keeps_its_own_time_is_new_all_the_same(tmp_path: Path) -> None:
    folder = CopyFolder(tmp_path, "eml", "file_name")
    scan = CopyScan(folder, {"at": datetime.now(UTC).timestamp()}, 0.0)
    (tmp_path / "1.eml").write_text(HEAD.format(key=1))
    os.utime(tmp_path / "1.eml", (0, 0))
    assert keys(scan) == ["1"]


def test_maildirs_are_read_without_what_is_being_written(tmp_path: Path) -> None:
    for place in ("new", "cur", "tmp"):
        (tmp_path / place).mkdir()
        (tmp_path / place / f"{place}:2,S").write_text(HEAD.format(key=place))
    assert keys(CopyScan(CopyFolder(tmp_path, "maildir", "header:X-Key"), {}, 0.0)) == ["cur", "new"]


@given(st.lists(st.text("ab>\nFrom ", max_size=40), min_size=1, max_size=8), st.data())
def test_an_mbox_is_read_message_by_message_and_goes_on(bodies: list[str], data: st.DataObject) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "box"
        texts = [HEAD.format(key=n) + body.replace("\r", "") for n, body in enumerate(bodies)]
        quoted = ["From a@b Tue\n" + re.sub("^From ", ">From ", text, flags=re.MULTILINE) + "\n\n" for text in texts]
        first = data.draw(st.integers(0, len(texts)))
        folder = CopyFolder(path, "mbox", "header:X-Key")
        path.write_text("".join(quoted[:first]))
        before = CopyScan(folder, {}, 0.0)
        found = list(before.found(1e12))
        path.write_text("".join(quoted))
        after = CopyScan(folder, before.kept(), 0.0)
        found += after.found(1e12)
        assert [one.match for one in found] == [str(n) for n in range(len(texts))]
        assert list(CopyScan(folder, after.kept(), 0.0).found(1e12)) == []
        for one, text in zip(found, texts, strict=True):
            assert (
                read_copy(one.place)
                .decode()
                .replace("\n>From ", "\nFrom ")
                .startswith(text.replace("\n>From ", "\nFrom "))
            )


def line(key: int, to: str = "", fate: str = "", queue: int = 0) -> str:
    at, name = "2026-12-01T02:00:00+00:00", f"{queue or key:08X}"
    if not to:
        return f"{at} relay postfix/cleanup[7]: {name}: message-id=<{key}@old.example>\n"
    return f"{at} relay postfix/smtp[9]: {name}: to=<{to}>, relay=x, status={fate} (250 ok)\n"


def test_the_log_says_who_was_sent_what(tmp_path: Path) -> None:
    minute = int(datetime(2026, 12, 1, 2, tzinfo=UTC).timestamp()) // 60
    older, newer = tmp_path / "mail.log.1.gz", tmp_path / "mail.log"
    with gzip.open(older, "wt") as file:
        file.write(line(1) + line(1, "a@example.com", "sent") + line(2))
    newer.write_text(
        line(2, "a@example.com", "bounced")
        + line(3) + line(3, "a@example.com", "sent") + line(3, "x@example.com", "sent")
        + line(4) + line(4, "a@example.com", "sent") + line(4, queue=44) + line(4, "a@example.com", "sent", queue=44)
    )  # fmt: skip
    os.utime(older, (1e9, 1e9))
    emails = [LoggedEmail(n, f"{n}@old.example", "A@example.com", minute) for n in range(1, 6)]
    found = RelayLogs([f"{tmp_path}/mail.log*"], "UTC").look_up(emails, 0.0)
    assert {n: (one.fate, one.queued, one.extra) for n, one in found.items()} == {
        1: ("accepted", 1, 0),
        2: ("bounced", 1, 0),
        3: ("accepted", 1, 1),
        4: ("accepted", 2, 0),
        5: ("absent", 0, 0),
    }
    assert RelayLogs([f"{tmp_path}/none*"], "UTC").look_up(emails, 0.0) == {}


def test_a_message_that_was_read_is_the_same_copy_and_is_found(tmp_path: Path) -> None:
    for place in ("new", "cur"):
        (tmp_path / place).mkdir()
    (tmp_path / "new" / "7.host").write_text(HEAD.format(key=7))
    folder = CopyFolder(tmp_path, "maildir", "header:X-Key")
    (unread,) = CopyScan(folder, {}, 0.0).found(1e12)
    (tmp_path / "new" / "7.host").rename(tmp_path / "cur" / "7.host:2,S")
    (read,) = CopyScan(folder, {}, 0.0).found(1e12)
    assert read.copy_id == unread.copy_id
    assert read_copy(unread.place) == read_copy(read.place)
    (tmp_path / "cur" / "7.host:2,S").unlink()
    with pytest.raises(NoMessage, match="gone"):
        read_copy(unread.place)


def test_an_mbox_that_was_rotated_is_not_taken_for_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "box"
    path.write_text("".join(f"From a@b Tue\n{HEAD.format(key=key)}text\n\n" for key in range(3)))
    found = list(CopyScan(CopyFolder(path, "mbox", "header:X-Key"), {}, 0.0).found(1e12))
    path.write_text("From a@b Tue\n" + HEAD.format(key=9))
    with pytest.raises(NoMessage, match="changed"):
        read_copy(found[1].place)
