"""The role `resolver`: doubts settle themselves from the log of a relay on this host, and from nothing else."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from eed_delivery.app.operations import Operations
from eed_delivery.app.resolving import RESOLVER
from eed_delivery.resolver.log_files import LogFiles
from eed_delivery.resolver.resolver import Resolver
from tests.operators_site import Site
from tests.world import World

DOMAIN = "mail.example.com"


class Night:
    """Emails that were handed over half an hour ago and are in doubt, and the log of the relay."""

    def __init__(self, world: World, tmp_path: Path) -> None:
        self.world = world
        self.site = Site(world, tmp_path)
        self.log = tmp_path / "mail.log"
        self.log.write_text("")
        self.ids = world.add_job([f"{name}@example.com" for name in "abcde"])
        world.enlist()
        for email_id in self.ids:
            assert world.delivering.wire(world.claimed(email_id), 60) is None
            world.lapse(email_id, 1800)

    def become_doubts(self) -> None:
        self.world.sweeping.settle_the_wire(resend_below=0)

    def resolver(self, *, sole_relay: bool = False) -> Resolver:
        """A new process."""
        workbench = Operations(self.site.settings, RESOLVER, self.world.database).doubts
        log = LogFiles(self.log, UTC, lambda: None)
        return Resolver(workbench, log, UTC, 0.1, sole_relay=sole_relay)

    @property
    def at(self) -> datetime:
        found = self.world.scalar("SELECT MAX(wire_at) FROM eed_email")
        return found if isinstance(found, datetime) else datetime.fromisoformat(found)

    def line(self, minutes: float, queue: str, rest: str) -> str:
        return f"{self.at + timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%S}+00:00 relay postfix/x[1]: {queue}: {rest}\n"

    def fate(self, email_id: int, *fates: str, gen: int = 0, queue: str | None = None) -> str:
        """Lines of one that the relay took, and what became of it then."""
        queue = queue or f"{email_id:011X}"
        whole = "from=<b@example.com>, size=344, nrcpt=1 (queue active)"
        to = f"to=<anna.{email_id}@example.com>, relay=mx[192.0.2.1]:25, dsn=2.0.0"
        ends = [f"{to}, status={fate} (said the server)" for fate in fates]
        return "".join(self.line(0, queue, rest) for rest in (f"message-id=<{email_id}.{gen}@{DOMAIN}>", whole, *ends))

    def write(self, *lines: str) -> None:
        with self.log.open("a") as log:
            log.writelines(lines)

    @property
    def states(self) -> list[str]:
        return [self.world.state(email_id) for email_id in self.ids]


@pytest.fixture
def night(world: World, tmp_path: Path) -> Night:
    return Night(world, tmp_path)


def test_a_line_that_came_before_the_doubt_settles_it(night: Night) -> None:
    a, b, c, d, _ = night.ids
    night.write(night.fate(a, "sent"), night.fate(b, "bounced"), night.fate(c, "deferred"), night.fate(d))
    resolver = night.resolver()
    resolver.step()
    assert night.states == ["sending"] * 5, "their leases may still run"
    night.become_doubts()
    resolver.step()
    assert night.states == ["sent", "failed", "sent", "sent", "in_doubt"]
    assert "4 doubts settled, 1 open" in resolver.detail
    kept = night.world.execute("SELECT reply FROM eed_attempt WHERE worker = 'resolver' ORDER BY email_id")
    assert len(kept) == 4
    assert all("relay's log: " in reply for (reply,) in kept)
    assert "anna." not in str(kept), "addresses are masked"
    acts = night.world.execute("SELECT who, surface, count FROM eed_audit WHERE act = 'settle'")
    assert sorted(acts) == [("resolver", "service", 1), ("resolver", "service", 3)]
    assert night.world.source_status(b) == "failed"


def test_a_line_that_comes_after_the_doubt_settles_it(night: Night) -> None:
    night.become_doubts()
    resolver = night.resolver()
    resolver.step()
    night.write(*(night.fate(email_id, "sent") for email_id in night.ids))
    night.resolver().step()  # as after a kill: nothing had to be kept
    assert night.states == ["sent"] * 5


def test_a_doubt_that_the_log_does_not_settle_is_looked_for_again(night: Night) -> None:
    night.become_doubts()
    resolver = night.resolver()
    night.write(night.line(0, "AAAAAAA", "removed"))
    resolver.step()
    night.write(night.fate(night.ids[0], "sent"))
    for _ in range(500):
        resolver.step()
        if night.states[0] == "sent":
            break
    assert night.states == ["sent"] + ["in_doubt"] * 4


def test_what_a_rotation_took_away_is_read_where_it_is_now(night: Night) -> None:
    night.become_doubts()
    first, *others = night.ids
    night.write(night.fate(first, "sent"))
    night.log.rename(night.log.with_name("mail.log.1"))
    night.write(*(night.fate(email_id, "sent") for email_id in others))
    night.resolver().step()
    assert night.states == ["sent"] * 5


def test_an_email_that_is_not_in_the_log_has_failed_only_where_there_is_no_other_relay(night: Night) -> None:
    night.become_doubts()
    a, b, *_ = night.ids
    around = [night.line(minutes, "AAAAAAA", "removed") for minutes in range(-10, 21)]
    night.write(
        *around[:10], night.fate(a, "sent"), night.line(0, "BBBBBBB", f"message-id=<{b}.0@{DOMAIN}>"), *around[10:]
    )
    night.resolver().step()
    assert night.states == ["sent"] + ["in_doubt"] * 4
    night.world.execute("UPDATE eed_email SET state = 'in_doubt' WHERE email_id = :id", id=night.ids[0])
    night.resolver(sole_relay=True).step()
    assert night.states == ["sent", "in_doubt", "failed", "failed", "failed"]


def test_absence_is_not_proven_before_a_hand_over_has_had_its_time(night: Night) -> None:
    night.become_doubts()
    around = [night.line(minutes, "AAAAAAA", "removed") for minutes in range(-10, 14)]
    night.write(*around[:10], night.fate(night.ids[0], "sent"), *around[10:])
    night.resolver(sole_relay=True).step()
    assert night.states == ["sent"] + ["in_doubt"] * 4


def test_a_hand_over_that_broke_off_leaves_one_that_was_taken_proven(night: Night) -> None:
    """A hand-over that was answered with 4xx, and one of the same generation that was not answered."""
    night.become_doubts()
    first = night.ids[0]
    night.write(night.line(0, "BBBBBBB", f"message-id=<{first}.0@{DOMAIN}>"), night.fate(first))
    night.resolver().step()
    assert night.states[0] == "sent"


def test_another_generation_proves_nothing(night: Night) -> None:
    night.become_doubts()
    night.write(*(night.fate(email_id, "sent", gen=1) for email_id in night.ids))
    night.resolver().step()
    assert night.states == ["in_doubt"] * 5


def test_a_log_that_cannot_be_read_is_said(night: Night) -> None:
    night.become_doubts()
    night.log.unlink()
    resolver = night.resolver()
    resolver.step()
    assert "No such file" in resolver.detail
    night.write(night.fate(night.ids[0], "sent"))
    for _ in range(500):
        resolver.step()
        if night.states[0] == "sent":
            break
    assert "No such file" not in resolver.detail
    assert night.states[0] == "sent"
