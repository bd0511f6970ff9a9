"""What follows from an answer: the principles, by pairs that differ in one thing. The words: `test_reply_rules`."""

import pytest

from eed_delivery.errors import DeliveryFailure, InfrastructureFailure, PermanentFailure, Throttled, TransientFailure
from eed_delivery.model import Concerns
from eed_delivery.transports.smtp.answers import Phase, judge

THEIRS = (PermanentFailure, Concerns.RECIPIENT)
FOR_NOW = (TransientFailure, Concerns.RECIPIENT)
NOT_THEIRS = (InfrastructureFailure, Concerns.OTHERS)
JOBS = (PermanentFailure, Concerns.JOB)
RATE = (Throttled, Concerns.OTHERS)


@pytest.mark.parametrize(
    ("code", "enhanced", "said", "phase", "wanted"),
    [
        # words that nobody knows, at RCPT: only where they or the code speak of an address
        (550, None, "Glorp", Phase.RCPT, NOT_THEIRS),
        (550, None, "Glorp anna@example.com", Phase.RCPT, THEIRS),
        (550, "5.1.1", "Glorp", Phase.RCPT, THEIRS),
        (550, "5.7.1", "Glorp anna@example.com", Phase.RCPT, NOT_THEIRS),
        (554, None, "Glorp anna@example.com", Phase.RCPT, NOT_THEIRS),
        (550, None, "Glorp, your server", Phase.RCPT, NOT_THEIRS),
        (550, "5.7.1", "Glorp, the mailbox", Phase.RCPT, THEIRS),
        # after it a filter has read the content
        (550, None, "Glorp", Phase.DOT, THEIRS),
        (550, "5.3.0", "Glorp", Phase.DOT, NOT_THEIRS),
        (550, None, "Glorp, the sender", Phase.DOT, NOT_THEIRS),
        # what is surely ours beats the code of a mailbox, and of an address
        (550, "5.2.1", "Glorp", Phase.RCPT, THEIRS),
        (521, "5.2.1", "Your IP 192.0.2.1 has been blocked", Phase.RCPT, NOT_THEIRS),
        (550, "5.1.1", "Blocked using zen.spamhaus.org", Phase.RCPT, NOT_THEIRS),
        # but not words that say little
        (550, "5.1.1", "Access denied", Phase.RCPT, THEIRS),
        (550, None, "Access denied", Phase.RCPT, NOT_THEIRS),
        # what the system is to blame for may pass
        (550, None, "System error", Phase.RCPT, NOT_THEIRS),
        (554, None, "cannot store document", Phase.DOT, NOT_THEIRS),
        # a 5yz that says "later" is not for good
        (550, None, "Mailbox temporarily unavailable", Phase.RCPT, FOR_NOW),
        (550, None, "Temporarily unavailable", Phase.RCPT, NOT_THEIRS),
        # spam and content, before anything was sent
        (550, None, "Spam is not welcome", Phase.RCPT, NOT_THEIRS),
        (550, None, "This message is spam", Phase.DOT, THEIRS),
        (451, None, "Deferred due to suspect content", Phase.RCPT, NOT_THEIRS),
        (451, None, "Deferred due to suspect content", Phase.DOT, FOR_NOW),
        # 421 closes the connection, whoever the recipient is
        (421, "4.1.1", "User unknown", Phase.RCPT, NOT_THEIRS),
        (421, None, "Too many connections", Phase.RCPT, RATE),
        # 451 alone is a local error, 450 is not
        (451, None, "Glorp", Phase.RCPT, NOT_THEIRS),
        (450, None, "Glorp", Phase.RCPT, FOR_NOW),
        (450, None, "Server busy", Phase.RCPT, NOT_THEIRS),
        # the sender's domain and its address are the job's; where they come from is not
        (550, "5.1.8", "Sender domain not found", Phase.RCPT, JOBS),
        (553, None, "Mail from your location is administratively denied", Phase.RCPT, NOT_THEIRS),
    ],
)
def test_whom_an_answer_concerns(
    code: int, enhanced: str | None, said: str, phase: Phase, wanted: tuple[type[DeliveryFailure], Concerns]
) -> None:
    judgement = judge(code, enhanced, said, phase)
    assert (judgement.kind, judgement.concerns) == wanted


@pytest.mark.parametrize("said", ["User unknown", "Mailbox full", "This message is spam", "Glorp"])
def test_nothing_is_the_recipients_before_one_is_named(said: str) -> None:
    for code in (421, 450, 451, 550, 554):
        for phase in (Phase.RSET, Phase.MAIL, Phase.NOOP):
            assert judge(code, None, said, phase).concerns is not Concerns.RECIPIENT
