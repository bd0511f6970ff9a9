# ruff: noqa: DTZ001 - the times of a span are UTC without a zone, as the ledger's
"""What relays' logs prove of emails in doubt: Postfix, Exim, KumoMTA and SES, whole, in parts, and hostile."""

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eed_delivery.tracking.relay_logs.reading import LogReading, WantedEmail, read_log
from eed_delivery.tracking.relay_logs.sightings import LogVerdict
from eed_delivery.tracking.relay_logs.span import LogSpan

DOMAIN = "mail.example.com"
NOW = datetime(2026, 11, 30, 4, 0, tzinfo=UTC)
WANTED = WantedEmail(1047, 0, (f"1047.0@{DOMAIN}",))


def read(log: str | bytes, *wanted: WantedEmail, zone: timezone = UTC) -> LogReading:
    data = log.encode() if isinstance(log, str) else log
    return read_log(io.BytesIO(data), wanted or (WANTED,), DOMAIN, zone, NOW)


def verdict(log: str | bytes, *wanted: WantedEmail) -> LogVerdict | None:
    found = read(log, *wanted).sightings.get(1047)
    return found.proven()[0] if found else None


def postfix(*steps: str, queue: str = "4F9D195432C", who: str = "relay postfix") -> str:
    """Lines of one queue id. A step is what comes behind it, with its daemon before a blank."""
    lines = []
    for n, step in enumerate(steps):
        daemon, _, rest = step.partition(" ")
        lines.append(f"Nov 30 02:31:{n:02} {who}/{daemon}[2536]: {queue}: {rest}\n")
    return "".join(lines)


SEEN = f"cleanup message-id=<1047.0@{DOMAIN}>"
WHOLE = "qmgr from=<b@bounces.example.com>, size=344, nrcpt=1 (queue active)"
GONE = "qmgr removed"


def tried(status: str, why: str = "250 2.0.0 Ok: queued as 8BDCA22DA71x", to: str = "a@example.net") -> str:
    return (
        f"smtp to=<{to}>, relay=mx.example.net[192.0.2.1]:25, conn_use=2, delay=1.1, delays=0.04/0/0.6/0.46, "
        f"dsn=2.0.0, status={status} ({why})"
    )


REFUSED = tried("bounced", "host mx said: 550 5.1.1 no such user, status=sent (really) (in reply to RCPT TO)")
EXIM = "2026-11-30 02:31:07 1ajLoq-0001wC-Pk"
EXIM_NEW = "2026-11-30 02:31:07.123 +0000 [77] 1ajLoq-00000001wCx-Pk12"
TAKEN = f'<= b@bounces.example.com H=eed [192.0.2.7]:4711 P=esmtps S=964 id=1047.0@{DOMAIN} T="a id=9.9@x" for a@x.net'


def kumo(kind: str, **more: Any) -> str:
    facts = {"type": kind, "id": "1d98076abbbc11ed940250ebf67f93bd", "sender": f"b@{DOMAIN}", "recipient": "a@x.net"}
    headers = {"Message-Id": f"<1047.0@{DOMAIN}>"}
    return json.dumps({**facts, "timestamp": 1796005867, "headers": headers, **more}) + "\n"


def ses(kind: str, email: str = "1047", gen: str = "0", envelope: bool = False) -> str:
    mail = {
        "timestamp": "2026-11-30T02:31:07.012Z", "messageId": "0100-ses", "destination": ["a@x.net"],
        "tags": {"eed_email": [email], "eed_gen": [gen]},
    }  # fmt: skip
    event = {"eventType": kind, "mail": mail}
    return json.dumps({"Type": "Notification", "Message": json.dumps(event)} if envelope else event) + "\n"


# --- each server -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("log", "wanted"),
    [
        (postfix(SEEN, WHOLE, tried("sent"), GONE), "accepted"),
        (postfix(SEEN, WHOLE), "accepted"),
        (postfix(SEEN), "ambiguous"),  # the hand-over broke off behind the headers: the relay threw it away
        (postfix(SEEN, WHOLE, tried("deferred", "421 later")), "deferred"),
        (postfix(SEEN, WHOLE, tried("deferred", "421 later"), tried("sent")), "accepted"),
        (postfix(SEEN, WHOLE, tried("deferred", "421 later"), REFUSED, GONE), "bounced"),
        (postfix(SEEN, WHOLE, tried("deferred"), "qmgr from=<b@x.net>, status=expired, returned to sender"), "bounced"),
        (postfix(SEEN, "cleanup milter-reject: END-OF-MESSAGE from eed[192.0.2.7]: 5.7.1 no"), "bounced"),
        (postfix(SEEN, WHOLE, tried("sent", to="a@x.net"), tried("bounced", "550", to="b@x.net")), "ambiguous"),
        (postfix(SEEN, WHOLE, tried("sent", to="a@x.net"), tried("deferred", "421", to="b@x.net")), "ambiguous"),
        (postfix(SEEN, WHOLE, GONE, f"cleanup message-id=<9.0@{DOMAIN}>", WHOLE, REFUSED), "accepted"),
        (postfix(SEEN, WHOLE, f"cleanup message-id=<9.0@{DOMAIN}>", WHOLE, REFUSED), "accepted"),
        (postfix(tried("sent"), SEEN, WHOLE), "accepted"),
        (
            postfix(SEEN, WHOLE, tried("sent", "250 2.0.0 from MTA: queued as 5F9D195432D"), GONE)
            + postfix(SEEN, WHOLE, REFUSED, queue="5F9D195432D"),
            "bounced",
        ),
        (
            postfix(SEEN, WHOLE, REFUSED, queue="5F9D195432D")
            + postfix(SEEN, WHOLE, tried("sent", "250 2.0.0 from MTA: queued as 5F9D195432D"), GONE),
            "bounced",
        ),
        (postfix(SEEN, WHOLE, tried("sent")) + postfix(SEEN, WHOLE, REFUSED, queue="5F9D195432D"), "ambiguous"),
        (postfix(SEEN, WHOLE, who="relay postfix-out"), "accepted"),
        (postfix(SEEN, WHOLE).replace("Nov 30 02:31", "2026-11-30T02:31"), "accepted"),
        (f"{EXIM} {TAKEN}\n", "accepted"),
        (f"{EXIM} {TAKEN}\n{EXIM} => a@x.net R=dns H=mx [192.0.2.1] C=\"250 ok\"\n{EXIM} Completed\n", "accepted"),
        (f"{EXIM} {TAKEN}\n{EXIM} == a@x.net R=dns T=smtp defer (-53): retry time\n", "deferred"),
        (f"{EXIM} {TAKEN}\n{EXIM} == a@x.net R=dns T=smtp\n{EXIM} => a@x.net R=dns\n", "accepted"),
        (f"{EXIM} {TAKEN}\n{EXIM} ** a@x.net R=dns T=smtp: 550 => a@x.net\n{EXIM} Completed\n", "bounced"),
        (f"{EXIM_NEW} {TAKEN}\n{EXIM_NEW} ** a@x.net: Unrouteable address\n", "bounced"),
        (f"Nov 30 02:31:07 mx exim[7]: {EXIM} {TAKEN}\n", "accepted"),
        (kumo("Reception"), "accepted"),
        (kumo("Reception") + kumo("TransientFailure"), "deferred"),
        (kumo("Reception") + kumo("TransientFailure") + kumo("Delivery"), "accepted"),
        (kumo("Reception") + kumo("Bounce"), "bounced"),
        (kumo("Reception") + kumo("Expiration", headers={}), "bounced"),
        (kumo("Rejection"), "bounced"),
        (ses("Send"), "accepted"),
        (ses("Send") + ses("DeliveryDelay"), "deferred"),
        (ses("Send") + ses("Bounce"), "bounced"),
        (ses("Send", envelope=True) + ses("Delivery", envelope=True), "accepted"),
    ],
)  # fmt: skip
def test_the_last_final_line_of_an_email_counts(log: str, wanted: str) -> None:
    assert verdict(log) == wanted
    assert verdict(log.replace("\n", "\r\n")) == wanted


@pytest.mark.parametrize(
    "other",
    ["11047.0", "1047.00", "047.0", "1047.01", "1047.1", "x1047.0", "1047.0.1047.0", "1047.0@1047.0", "-1047.0"],
)
@pytest.mark.parametrize("behind", ["", ".evil.example", "x", "-x"])
def test_a_message_id_that_is_a_part_of_another_never_matches(other: str, behind: str) -> None:
    def seen(text: str) -> str:
        return text.replace(f"1047.0@{DOMAIN}", f"{other}@{DOMAIN}{behind}")

    for log in (postfix(SEEN, WHOLE, tried("sent")), f"{EXIM} {TAKEN}\n", kumo("Reception")):
        assert verdict(log) is not None
        assert verdict(seen(log)) is None
    if behind:
        for log in (postfix(SEEN, WHOLE), f"{EXIM} {TAKEN}\n", kumo("Reception")):
            assert verdict(log.replace(f"1047.0@{DOMAIN}", f"1047.0@{DOMAIN}{behind}")) is None


def test_an_event_of_another_email_or_generation_is_not_ours() -> None:
    assert verdict(ses("Send", email="11047")) is None
    assert verdict(ses("Send", gen="1")) is None


def test_a_line_that_only_quotes_the_id_is_no_arrival() -> None:
    quoted = f"cleanup warning: header Subject: message-id=<1047.0@{DOMAIN}> from eed[192.0.2.7]; from=<b@x.net>"
    assert verdict(postfix(quoted, WHOLE, tried("sent"))) is None
    subject = TAKEN.replace(f"id=1047.0@{DOMAIN}", "id=9.0@x").replace("id=9.9@x", f"id=1047.0@{DOMAIN}")
    assert verdict(f"{EXIM} {subject}\n") is None


def test_a_log_of_two_servers_is_read_for_both() -> None:
    other = WantedEmail(2000, 1, (f"2000.1@{DOMAIN}",))
    log = postfix(SEEN, WHOLE) + f"{EXIM} {TAKEN}\n".replace("1047.0", "2000.1")
    reading = read(log, WANTED, other)
    assert reading.servers == ("Postfix", "Exim")
    assert {key: found.proven()[0] for key, found in reading.sightings.items()} == {1047: "accepted", 2000: "accepted"}


def test_the_line_that_says_it_best_is_the_evidence() -> None:
    reading = read(postfix(SEEN, WHOLE, tried("deferred", "421"), tried("sent"), GONE))
    assert b"status=sent" in reading.sightings[1047].proven()[1]


# --- times -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stamp", "zone", "wanted"),
    [
        ("Nov 30 02:31:07", UTC, datetime(2026, 11, 30, 2, 31)),
        ("Nov 30 03:31:07", timezone(timedelta(hours=1)), datetime(2026, 11, 30, 2, 31)),
        ("Dec  1 02:31:07", UTC, datetime(2026, 12, 1, 2, 31)),  # a clock that is ahead
        ("Dec 31 23:59:59", UTC, datetime(2025, 12, 31, 23, 59)),
        ("Feb 29 12:00:00", UTC, datetime(2024, 2, 29, 12, 0)),
        ("2026-11-30T02:31:07.123456+01:00", UTC, datetime(2026, 11, 30, 1, 31)),
        ("2026-11-30T02:31:07.123456Z", timezone(timedelta(hours=9)), datetime(2026, 11, 30, 2, 31)),
        ("2026-11-30T02:31:07", timezone(timedelta(hours=9)), datetime(2026, 11, 29, 17, 31)),
        ("Feb 30 12:00:00", UTC, None),
        ("Xyz 30 12:00:00", UTC, None),
        ("Nov 30 99:99:99", UTC, None),
        ("0001-01-01T00:00:00+14:00", UTC, None),
        ("9999-12-31T23:59:00-14:00", UTC, None),
        ("9998-12-31T23:59:00-14:00", UTC, datetime(9999, 1, 1, 13, 59)),
    ],
)  # fmt: skip
def test_times_are_read_with_their_zone_and_year(stamp: str, zone: timezone, wanted: datetime | None) -> None:
    line = f"{stamp} relay postfix/cleanup[2536]: 4F9D195432C: message-id=<1047.0@{DOMAIN}>\n"
    assert read(line, zone=zone).span.first == wanted


@pytest.mark.parametrize(
    ("minutes", "covered"),
    [
        (range(90, 130), True),
        (range(98, 116), True),
        (range(99, 130), False),  # begins with the hand-over
        (range(60, 114), False),  # ends too early
        ([*range(90, 102), *range(114, 130)], False),  # a rotated part is missing
        ([91, 100, 109, 115], True),
        ([100], False),
        ([], False),
    ],
)  # fmt: skip
def test_a_log_covers_a_time_only_without_a_gap(minutes: list[int], covered: bool) -> None:
    assert LogSpan(minutes).covers(100) is covered


def test_emails_of_ours_bear_witness_whose_log_it_is() -> None:
    other = postfix(f"cleanup message-id=<77.2@{DOMAIN}>") + postfix("cleanup message-id=<x@other.example>")
    (witness,) = read(other).witnesses
    assert (witness.email_id, witness.gen) == (77, 2)
    assert read(postfix(f"cleanup message-id=<7.2@abcdefghijklmnop.{DOMAIN}>")).witnesses[0].email_id == 7
    for foreign in ("x@other.example", f"7.2@evil.{DOMAIN}", f"7.2@{DOMAIN}.evil.example"):
        assert read(postfix(f"cleanup message-id=<{foreign}>")).witnesses == ()
    assert read(kumo("Reception")).witnesses[0].email_id == 1047
    assert read(kumo("Delivery")).witnesses == ()
    assert read(ses("Send")).proves_absence is False


# --- hostile lines ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "junk",
    [
        b"x" * 5_000_000 + b"\n",
        b"Nov 30 02:31:07 relay postfix/smtp[1]: 4F9D195432C: to=<" + b"a, b=" * 1_000_000 + b"\n",
        b"2026-11-30 02:31:07 1ajLoq-0001wC-Pk <= " + b"a id" * 1_000_000 + b"\n",
        b'{"type": "Delivery", "id": ' + b"[" * 1_000_000 + b"\n",
        b'{"eventType":"Send","mail":{"tags":{"eed_email":["1047"]' + b"{" * 100_000 + b"\n",
        b'{"eventType":"Send","mail":{"tags":{"eed_email":["1047"],"eed_gen":7}}}\n',
        b'{"eventType":"Send","mail":["eed_email":["1047"]]}\n',
        b'{"eventType":"Send","mail":{"x": {"eed_email":["1047"]}, "tags": 3}}\n',
        b'{"eventType":["Send"],"mail":{"tags":{"eed_email":["1047"]}}}\n',
        b"\x00" * 1000 + b"\n",
        b"\xff\xfe\xc3\x28 Nov 30 02:31:07 \x1b]0;title\x07\x1b[2J\n",
        b"Nov 30 02:31:07 relay postfix/smtp[1]: 4F9D195432C: \x1b[2Jto=<>, status=\xff\n",
        b"\n\n\r\n",
        b"",
    ],
    ids=lambda junk: repr(junk[:24]),
)  # fmt: skip
def test_what_is_no_line_of_a_log_harms_nothing(junk: bytes) -> None:
    log = postfix(SEEN).encode() + junk + postfix(WHOLE, tried("sent")).encode() + ses("Send").encode()
    assert verdict(log) == LogVerdict.ACCEPTED


LOGS: tuple[Callable[[], str], ...] = (
    lambda: postfix(SEEN, WHOLE, tried("sent"), GONE),
    lambda: f"{EXIM} {TAKEN}\n{EXIM} => a@x.net R=dns\n",
    lambda: kumo("Reception") + kumo("Delivery"),
    lambda: ses("Send") + ses("Delivery"),
)


@given(log=st.sampled_from(LOGS), noise=st.lists(st.binary(max_size=300), max_size=8))
def test_lines_between_change_nothing(log: Callable[[], str], noise: list[bytes]) -> None:
    lines = log().encode().splitlines(keepends=True)
    junk = [one.replace(b"\n", b" ") + b"\n" for one in noise]
    mixed = b"".join(part for pair in zip(lines, [*junk, b""], strict=False) for part in pair)
    mixed += b"".join(lines[len(junk) + 1 :])
    assert verdict(mixed) == LogVerdict.ACCEPTED


@given(log=st.sampled_from(LOGS), cut=st.integers(0, 2000), put=st.binary(max_size=20))
def test_a_log_that_was_damaged_anywhere_is_read_without_an_error(log: Callable[[], str], cut: int, put: bytes) -> None:
    data = log().encode()
    reading = read(data[:cut] + put + data[cut + len(put) :])
    for found in reading.sightings.values():
        assert found.proven()[0] in set(LogVerdict)


@given(
    fates=st.lists(st.sampled_from(["sent", "bounced", "deferred"]), min_size=1, max_size=6),
    numbers=st.lists(st.integers(1, 10**12), min_size=2, max_size=2, unique=True),
)
def test_each_email_gets_the_last_final_state_of_its_own(fates: list[str], numbers: list[int]) -> None:
    wanted = [WantedEmail(number, 0, (f"{number}.0@{DOMAIN}",)) for number in numbers]
    log = postfix(f"cleanup message-id=<{numbers[0]}.0@{DOMAIN}>", WHOLE, *map(tried, fates))
    reading = read(log, *wanted)
    final = [one for one in fates if one != "deferred"]
    expected = {"sent": "accepted", "bounced": "bounced"}[final[-1]] if final else "deferred"
    assert {key: found.proven()[0] for key, found in reading.sightings.items()} == {numbers[0]: expected}
