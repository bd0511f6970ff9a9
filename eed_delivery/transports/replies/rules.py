"""Whom a refusal concerns, by its words. It is the one table for answers at sending and for bounces.

A code alone does not say it. `550 5.1.1` is also what a server says to a sender whom it has blocked, and `550 5.7.1`
is also said of a mailbox that is not there. So the words are looked at, in the order of `RULES`. What speaks against
us, or for a mailbox that is only not available now, comes before what speaks of a dead address. A good address that is
suppressed is lost, and a dead one that is not suppressed bounces once more.
"""

from functools import cache

from eed_delivery.transports.replies import (
    about_addresses,
    about_content,
    about_mailboxes,
    about_systems,
    about_us,
)
from eed_delivery.transports.replies.form import BytesPattern, alternatives, normal_form, one_of
from eed_delivery.transports.replies.rule import Concern, Rule

__all__ = ["RULES", "Concern", "Rule", "normal_form", "one_of", "rule_for", "spoken_of"]

RULES: tuple[Rule, ...] = (
    # What is about us, or about now. These come first.
    about_us.SENDER,
    about_us.RELAY,
    about_mailboxes.CLOSED_GROUP,
    about_mailboxes.GREYLISTING,
    about_systems.TRY_AGAIN,
    about_mailboxes.TOO_MANY_KEPT,
    about_us.RATE,
    about_us.AUTHENTICATION,
    about_addresses.INACTIVE,
    about_systems.TROUBLE,
    about_us.BLOCKLIST,
    about_mailboxes.CLOSED,
    about_content.CONTENT,
    about_content.SPAM,
    about_mailboxes.FULL,
    about_mailboxes.TEMPORARY,
    about_content.TOO_LARGE,
    # What is about an address that does not exist.
    about_addresses.NO_DOMAIN,
    about_addresses.DISABLED,
    about_addresses.NO_MAILBOX,
    about_content.ANY_SPAM,
    about_addresses.DISABLED_ACCOUNT,
    about_addresses.MAYBE_NO_MAILBOX,
    # What says little. Only where nothing above fits.
    about_systems.POLICY,
    about_systems.EXPIRED,
    about_systems.LOOP,
    about_systems.NETWORK,
)
SUBJECTS: tuple[Rule, ...] = (
    about_us.ABOUT_SENDER,
    about_us.ABOUT_SOURCE,
    about_mailboxes.ABOUT_RECIPIENT,
)
"""Who is spoken of, where no rule says what of."""


def rule_for(text: str) -> Rule | None:
    """The first rule that has a phrase in `text`, of which the first characters are read."""
    return _first(RULES, text)


def spoken_of(text: str) -> Concern | None:
    """Who is named in `text`. This is less than what `rule_for` finds, for refusals in words that it does not know."""
    subject = _first(SUBJECTS, text)
    return subject.concern if subject else None


def _first(rules: tuple[Rule, ...], text: str) -> Rule | None:
    words = normal_form(text).encode("utf-8", "replace")
    return next((rule for rule in rules if _compiled(rule).search(words)), None)


@cache
def _compiled(rule: Rule) -> BytesPattern:
    return alternatives(tuple(pattern for pattern, _ in rule.phrases))
