"""The way out: a relay that passes a reply on to some of the recipients for a while, and takes everything else."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from eed_delivery.model import Accepted, Rendered
from eed_delivery.transports import Grant
from eed_delivery.transports.smtp.answers import Phase
from eed_delivery.transports.smtp.replies import failure, parse
from tests.faults.replay.clock import VirtualClock
from tests.replies import KnownReply

SEND_SECONDS = 0.02
DEAD = "550 5.1.1 <{recipient}>: Recipient address rejected: User unknown in virtual mailbox table"
TROUBLED_DOMAIN = "troubled.example"
OTHER_DOMAINS = 6
ONE_DOMAIN_HAS = 0.3
"""This part of the recipients is at the one domain."""
DEAD_EVERY = 30


class Spread(Enum):
    """Who gets the reply."""

    ALL = "all"
    ONE_IN_TEN = "one in ten"
    ONE_DOMAIN = "one domain"


def recipients(count: int) -> list[str]:
    """Over several domains, every thirtieth of them dead."""
    period = round(OTHER_DOMAINS / (1 - ONE_DOMAIN_HAS))
    names = []
    for n in range(1, count + 1):
        domain = TROUBLED_DOMAIN if n % 10 < 10 * ONE_DOMAIN_HAS else f"d{n % period % OTHER_DOMAINS}.example"
        names.append(f"{'dead' if n % DEAD_EVERY == DEAD_EVERY // 2 else 'customer'}{n}@{domain}")
    return names


def is_dead(recipient: str) -> bool:
    return recipient.startswith("dead")


def is_troubled(recipient: str, spread: Spread) -> bool:
    """Whether the reply is for this recipient too, if the server comes to know who it is."""
    name, _, domain = recipient.partition("@")
    match spread:
        case Spread.ALL:
            return True
        case Spread.ONE_IN_TEN:
            return name.endswith("4")
        case Spread.ONE_DOMAIN:
            return domain == TROUBLED_DOMAIN


@dataclass
class Relay:
    """The server's own books. The reply is given until `ends_at`."""

    clock: VirtualClock
    reply: KnownReply
    spread: Spread
    ends_at: float
    sent: dict[str, float] = field(default_factory=dict)
    """When each email was taken, by its recipient."""
    twice: list[str] = field(default_factory=list)
    asked: list[tuple[float, str, bool]] = field(default_factory=list)
    """When, for whom, and whether it met the trouble."""

    def troubles(self, recipient: str) -> bool:
        return self.clock.now < self.ends_at and is_troubled(recipient, self.spread)

    def take(self, recipient: str) -> None:
        if recipient in self.sent:
            self.twice.append(recipient)
        self.sent[recipient] = self.clock.now


class RelayTransport:
    """One worker thread's way to the relay."""

    name = "replay"
    wire_seconds = 1.0

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._tag = 0

    def send(self, message: Rendered, grant: Grant) -> Accepted:
        relay, recipient = self._relay, message.recipient
        relay.clock.now += SEND_SECONDS
        troubled = relay.troubles(recipient)
        first = troubled and relay.reply.phase is Phase.MAIL
        relay.asked.append((relay.clock.now, recipient, troubled and (first or not is_dead(recipient))))
        if first:
            raise self._refusal(recipient)
        if is_dead(recipient):
            raise failure(parse([DEAD.replace("{recipient}", recipient).encode()]), Phase.RCPT)
        if troubled and relay.reply.phase is Phase.RCPT:
            raise self._refusal(recipient)
        grant()
        if troubled:
            raise self._refusal(recipient)
        relay.take(recipient)
        return Accepted("250 2.0.0 Ok: queued as 4CX1", 250, "4CX1")

    def _refusal(self, recipient: str) -> Exception:
        """The reply, with an id that looks like words, as servers have them."""
        self._tag += 1
        number = len(self._relay.asked) * 2654435761 % 2**40
        letters = "".join(chr(ord("a") + (number >> shift) % 26) for shift in range(0, 40, 4))
        return self._relay.reply.failure(recipient, f"{letters}{number % 97}-{letters[::-1]}si")

    def probe(self) -> None:
        """The relay itself answers: what it says comes with an email."""

    def close(self) -> None: ...


def factory(relay: Relay) -> Callable[[], RelayTransport]:
    return lambda: RelayTransport(relay)
