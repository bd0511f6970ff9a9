"""Mail servers' replies as log lines may have them, without the person whom the email was for.

The ledger keeps more (`store_replies`), and shows it to operators. The log goes further, to journald's files, to a log
service and into alerts.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from eed_delivery.model import Email, Outcome, Verdict
from eed_delivery.particulars import masked
from eed_delivery.untrusted import MASK, mask_accounts, mask_addresses

MIN_NAME_CHARS = 3
"""Shorter parts of a name ("J.", "de", "Dr") are words of many replies, and name no person."""
NO_NAMES = frozenset(
    """
    abuse accounts admin administrator address billing contact customer customers email help hostmaster info inbox
    invoice mail mailbox mailer marketing news newsletter noc noreply office orders postmaster privacy recipient root
    sales security service support test user users webmaster
    """.split()  # noqa: SIM905 - a list that people read
)
"""Local parts that name a role (RFC 2142) or stand for anybody. Masked, they would take the sense from a reply."""

_WORD = re.compile(r"(?>(?:[^\W_][\u0300-\u036f]*+)+)")  # with the accents of decomposed letters
_GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe", "æ": "ae", "œ": "oe", "ß": "ss"})


def of_one(email: Email, outcome: Outcome) -> str:
    """For a line about one email. What accepts it keeps its ids, which the mail server's own log has."""
    reply = without_person(outcome.reply, email)
    return reply if outcome.verdict is Verdict.SENT else masked(reply)


def of_many(reason: str, email: Email | None = None) -> str:
    """For a line about a job, a domain or the mail server. IP addresses and URLs stay, because they say who refuses."""
    return mask_accounts(without_person(reason, email) if email is not None else reason)


def without_person(text: str, email: Email) -> str:
    """`text` with *** for each part of the recipient's name and address, however it is spelt. Domains stay."""
    names = _names(email.recipient, email.recipient_name or "")
    text = mask_addresses(text)
    if names.isdisjoint(_spelt_in(text)):  # nearly always
        return text
    return _WORD.sub(lambda found: MASK if not names.isdisjoint(_spellings(found[0])) else found[0], text)


@lru_cache(maxsize=64)  # a mail server's replies are alike, and a domain's recipients many
def _spelt_in(text: str) -> frozenset[str]:
    return frozenset(spelling for word in _WORD.findall(text) for spelling in _spellings(word))


@lru_cache(maxsize=64)  # one email's line follows the other's
def _names(recipient: str, name: str) -> frozenset[str]:
    local, _, domain = recipient.rpartition("@")
    local = local.partition("+")[0]  # a tag behind the + is a word of anybody's
    of_address, of_name = _WORD.findall(local), _WORD.findall(name)
    words = [*of_address, *of_name, "".join(of_address), "".join(of_name)]
    spelt = frozenset(spelling for word in words if _names_somebody(word) for spelling in _spellings(word))
    return spelt - _spelt_in(domain)


def _names_somebody(word: str) -> bool:
    long = len(word) >= (MIN_NAME_CHARS if word.isascii() else 2)  # 王伟
    return long and word.casefold() not in NO_NAMES and not (word.isdecimal() and len(word) < 6)


@lru_cache(maxsize=128)  # replies are made of few words; each name comes once, and goes again
def _spellings(word: str) -> tuple[str, ...]:
    """As they are compared, without case and accents, also as in `mueller` for `Müller`."""
    if word.isascii():  # nearly always
        return (word.lower(),)
    folded = unicodedata.normalize("NFC", word).casefold()
    return tuple(dict.fromkeys(_spelt(folded)))


def _spelt(folded: str) -> Iterator[str]:
    yield "".join(c for c in unicodedata.normalize("NFKD", folded) if not unicodedata.combining(c))
    yield folded.translate(_GERMAN)
