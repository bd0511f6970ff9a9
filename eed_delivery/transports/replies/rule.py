"""What a rule about the words of a refusal is. `rules` has them all."""

from dataclasses import dataclass
from enum import StrEnum


class Concern(StrEnum):
    """Whom a refusal is about."""

    ADDRESS = "address"  # it does not exist: mailing it again is pointless
    MAILBOX = "mailbox"  # this recipient, who is there: full, switched off for now, receives too much
    CONTENT = "content"  # this email
    SENDER = "sender"  # our sender address or its domain: every email of the job
    SOURCE = "source"  # our server, IP address or account: all emails
    DOMAIN = "domain"  # the recipient's system, or the way to it


@dataclass(frozen=True, slots=True)
class Rule:
    """A kind of refusal.

    `later` means that it may pass. `sure` is False where a code that speaks of policy contradicts it.

    `phrases` are patterns, each with whose words they are. `sub_type` is what a bounce's event calls it, if not by
    `name`.
    """

    name: str
    concern: Concern
    phrases: tuple[tuple[str, str], ...]
    later: bool = False
    sure: bool = True
    sub_type: str = ""


GAP = r"(?:[^ .;:]+ ){0,6}?"
"""Limit: words between the two halves of a phrase, within one sentence."""

# Whose words a phrase is.
POSTFIX, EXIM, SENDMAIL, QMAIL = "Postfix", "Exim", "Sendmail", "qmail and its children"
GMAIL, MICROSOFT, YAHOO, CISCO = "Gmail", "Exchange and Outlook.com", "Yahoo and AOL", "Cisco (IronPort)"
MANY = "many servers"
