"""Makes the picture of a report in the documents, from a job of 12,000 emails that never were.

    apt-get install chromium-headless-shell
    python -m tests.report_picture                   docs/report.png
    python -m tests.report_picture --report r.html   and keep the report

The report is the product's own, over rows of a ledger on SQLite. Debian's Chromium draws it. No test runs this.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import chain, repeat
from pathlib import Path
from typing import Any

from PIL import Image
from sqlalchemy import Table, insert

from eed_delivery.events import DeliveryOutcome, EventKind
from eed_delivery.ledger.acts import ActKind, ActObject
from eed_delivery.ledger.schema import eed_audit, eed_email, eed_event, eed_job, eed_refusal
from eed_delivery.model import EmailState, JobState
from tests.command_line import CommandLine
from tests.world import World

PICTURE = Path(__file__).parents[1] / "docs" / "report.png"
WIDTH, HEIGHT = 960, 2370
"""In points: the page down to the emails that came back."""
COLOURS = 128
ZONE = "CET-1CEST,M3.5.0,M10.5.0/3"
BROWSERS = ("chromium-headless-shell", "chromium")


def moment(time_of_day: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-22T{time_of_day}")


JOB, EMAILS = 42, 12_000
BEGAN, ENDED = moment("08:59:58"), moment("10:11:02")
PAUSED, RESUMED = moment("09:28:41"), moment("09:46:12")

NOT_SENT = (
    (76, EmailState.FAILED, "550 5.1.1 <{}> can't find this user, id 4CX{}"),
    (21, EmailState.FAILED, "552 5.2.2 user's mailbox is full ({} MB)"),
    (5, EmailState.FAILED, "554 5.7.1 refused by policy, see https://mail.example.com/{}"),
    (95, EmailState.SUPPRESSED, "hard bounce: 550 5.1.1 no such mailbox here"),
    (6, EmailState.IN_DOUBT, "127.0.0.1:25: no answer to the final dot: the server closed the connection"),
)
CAME_BACK = (
    (97, DeliveryOutcome.HARD_BOUNCED, EventKind.BOUNCE, "NoEmail", 550, "5.1.1"),
    (42, DeliveryOutcome.HARD_BOUNCED, EventKind.BOUNCE, "MailboxDisabled", 550, "5.1.1"),
    (66, DeliveryOutcome.SOFT_BOUNCED, EventKind.BOUNCE, "MailboxFull", 452, "4.2.2"),
    (10, DeliveryOutcome.COMPLAINED, EventKind.COMPLAINT, "abuse", None, None),
)
SILENT = 185
OPENED, CLICKED, OPENED_BY_MACHINES = 2_095, 388, 1_409
REFUSED = (
    (7, "it has been sent before in job 41, and source.job.known_rows is 'refuse'"),
    (2, "its key cannot be kept: it is empty"),
)
ACTS = (
    (PAUSED, ActKind.PAUSE, "anna", None, "wrong interest rate in the template"),
    (RESUMED, ActKind.RESUME, "anna", None, "template mended"),
    (moment("10:02:30"), ActKind.SETTLE, "bert", 3, "seen in the relay's log"),
)

Row = dict[str, Any]


def rows() -> Iterator[tuple[Table, list[Row]]]:
    """All of the job, by table."""
    job = {"source_key": str(JOB), "name": "Quarterly statements", "state": JobState.FINISHED, "rounds": 1}
    times = {"created_at": BEGAN, "enlisted_at": BEGAN, "finished_at": ENDED}
    refused = sum(count for count, _ in REFUSED)
    sums = {"total": EMAILS, "found": EMAILS + refused, "refused": refused}
    yield eed_job, [{"job_id": JOB, **job, **times, **sums}]
    emails = list(_emails())
    yield eed_email, emails
    yield eed_event, list(_events([email for email in emails if email["state"] is EmailState.SENT]))
    reasons = chain.from_iterable(repeat(reason, count) for count, reason in REFUSED)
    of_job = {"job_id": JOB, "job_key": str(JOB), "refused_at": BEGAN}
    yield eed_refusal, [{**of_job, "source_key": f"known-{n}", "reason": reason} for n, reason in enumerate(reasons)]
    about = {"job_id": JOB, "object_kind": ActObject.JOB, "object_key": str(JOB)}
    yield (
        eed_audit,
        [
            {**about, "at": at, "act": act, "who": "eed", "sudo_user": who, "count": count, "reason": reason}
            for at, act, who, count, reason in ACTS
        ],
    )


def _emails() -> Iterator[Row]:
    """Those that were not sent are spread over the others. Each minute has about as many, but for the pause."""
    ends = list(chain.from_iterable(repeat((state, words), count) for count, state, words in NOT_SENT))
    every = EMAILS // len(ends)
    outcomes = iter(_outcomes())
    apart = ((ENDED - BEGAN) - (RESUMED - PAUSED) - timedelta(seconds=60)) / EMAILS
    at = BEGAN + timedelta(seconds=2)
    for n in range(EMAILS):
        at += apart * (0.93 + 0.14 * (n * 7919 % 101) / 100)
        if PAUSED < at < RESUMED:
            at = RESUMED + timedelta(seconds=9)
        state, words = ends.pop() if ends and n % every == every // 2 else (EmailState.SENT, "250 2.0.0 Ok: queued")
        yield {
            "email_id": 1_000_000 + n,
            "job_id": JOB,
            "recipient": f"customer{n}@example.com",
            "state": state,
            "attempts": 1,
            "detail": words.format(n, n),
            "wire_at": at,
            "changed_at": at,
            "outcome": next(outcomes) if state is EmailState.SENT else None,
        }


def _outcomes() -> Iterator[DeliveryOutcome | None]:
    """Of the sent emails, in their order."""
    for count, outcome, *_ in CAME_BACK:
        yield from repeat(outcome, count)
    yield from repeat(None, SILENT)
    yield from repeat(DeliveryOutcome.DELIVERED)


def _events(sent: list[Row]) -> Iterator[Row]:
    """What came back, and what was opened or clicked in."""
    come = iter(sent)
    for count, outcome, kind, sub_type, code, enhanced in CAME_BACK:
        facts = {"outcome": outcome, "sub_type": sub_type, "code": code, "enhanced": enhanced}
        yield from (_event(next(come), kind, **facts) for _ in range(count))
    last = sent[::-1]
    yield from (_event(email, EventKind.OPEN) for email in last[:OPENED])
    yield from (_event(email, EventKind.CLICK) for email in last[:CLICKED])
    yield from (_event(email, EventKind.OPEN, automatic=True) for email in last[OPENED:][:OPENED_BY_MACHINES])


def _event(email: Row, kind: EventKind, *, automatic: bool = False, **facts: Any) -> Row:
    at = email["changed_at"] + timedelta(minutes=3)
    nothing = dict.fromkeys(("outcome", "code", "enhanced")) | {"sub_type": ""}
    return {
        "event_id": f"{email['email_id']}-{kind}",
        "email_id": email["email_id"],
        "gen": 0,
        "kind": kind,
        "automatic": automatic,
        "occurred_at": at,
        "received_at": at,
        **(nothing | facts),
    }


def write_report(directory: Path) -> Path:
    """The report as a page, as the command writes it."""
    os.environ["TZ"] = ZONE
    time.tzset()
    url = f"sqlite:///{directory}/ledger.sqlite3"
    world = World(url)
    for table, values in rows():
        world.database.run(lambda c, table=table, values=values: c.execute(insert(table), values))
    world.close()
    report = directory / "report.html"
    CommandLine(directory, url).good("report", str(JOB), "--format", "html", "--output", str(report))
    return report


def browser() -> str:
    """Ends the program where there is none."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    return found or sys.exit("The picture needs Chromium. On Debian: apt-get install chromium-headless-shell")


def draw(report: Path, picture: Path) -> None:
    options = ["--headless", "--no-sandbox", "--hide-scrollbars", f"--window-size={WIDTH},{HEIGHT}"]
    command = [browser(), *options, f"--screenshot={picture}", report.as_uri()]
    subprocess.run(command, check=True, timeout=300, stderr=subprocess.DEVNULL)
    with Image.open(picture) as drawn:  # a third of the bytes, and no difference to the eye
        drawn.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(picture, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--picture", type=Path, default=PICTURE, metavar="FILE", help="where to write it (docs/report.png)"
    )
    parser.add_argument("--report", type=Path, metavar="FILE", help="keep the report here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="eed-picture-") as directory:
        report = write_report(Path(directory))
        if options.report:
            shutil.copy(report, options.report)
        draw(report, options.picture)


if __name__ == "__main__":
    main()
