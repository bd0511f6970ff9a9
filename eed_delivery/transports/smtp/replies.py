"""What an SMTP server says, with its replies parsed, and the class each one falls into."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from eed_delivery.errors import DeliveryFailure
from eed_delivery.transports.smtp.answers import Phase, judge
from eed_delivery.untrusted import clean

__all__ = ["BadReply", "Phase", "Reply", "continues", "failure", "parse"]

# RFC 5321, 4.2: three digits, then "-" on every line but the last. Some servers leave out the text and the
# space.
_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)
# RFC 3463, section 2: class "." subject "." detail, at the start of the text (RFC 2034, section 4). The class
# must be that of the code before it. Where they do not agree, the plain code is what counts.
_ENHANCED = re.compile(r"([245])\d\d (\1\.\d{1,3}\.\d{1,3})(?=\s|$)")

_QUEUE_IDS = (
    re.compile(r"\bqueued as <?([\w.@:+-]+?)>?[.,;]?(?:\s|$)", re.IGNORECASE),  # Postfix, and many that follow it
    re.compile(r"^250 ok:? ([0-9a-f]{16}-[0-9a-f-]{36}-[0-9]{6})$", re.IGNORECASE),  # Amazon SES
    re.compile(r"\bok id=([\w-]{6,})", re.IGNORECASE),  # Exim
)


class BadReply(ValueError):
    """What came is not an SMTP reply."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply. `text` is the code and the lines' texts on one line, cleaned. `lines` are the raw texts."""

    code: int
    text: str
    enhanced: str | None
    lines: tuple[bytes, ...]

    @property
    def positive(self) -> bool:
        """2yz means done (RFC 5321, 4.2.1)."""
        return 200 <= self.code <= 299

    @property
    def negative(self) -> bool:
        """4yz or 5yz is a definite no. 3yz is neither."""
        return self.code >= 400

    def queue_id(self) -> str | None:
        """The name under which the server queued the message, where it says so in a known way."""
        for pattern in _QUEUE_IDS:
            if match := pattern.search(self.text):
                return match.group(1)
        return None


def continues(line: bytes) -> bool:
    """Whether another line of the same reply follows. Raises BadReply if `line` is no reply line at all."""
    return _parts(line)[1] == b"-"


def parse(lines: Sequence[bytes]) -> Reply:
    """The reply in `lines` (without line ends). Raises BadReply for no lines, for what is not a reply, or for codes
    that differ."""
    if not lines:
        raise BadReply("an empty reply")
    if len(lines) == 1:
        return _of_one_line(lines[0])
    parts = [_parts(line) for line in lines]
    codes = {code for code, _, _ in parts}
    if len(codes) > 1:
        # RFC 5321, 4.2.1: every line of a reply has the same code. If not, we do not know what it says.
        raise BadReply(f"one reply with several codes: {clean(b' '.join(lines))}")
    return _reply(parts[0][0], tuple(text for _, _, text in parts))


@lru_cache(maxsize=256)  # servers say the same few lines again and again
def _of_one_line(line: bytes) -> Reply:
    code, _, text = _parts(line)
    return _reply(code, (text,))


def _reply(code: bytes, texts: tuple[bytes, ...]) -> Reply:
    text = clean(b" ".join((code, *texts)))
    enhanced = _ENHANCED.match(text)
    return Reply(int(code), text, enhanced[2] if enhanced else None, texts)


@lru_cache(maxsize=256)
def _parts(line: bytes) -> tuple[bytes, bytes, bytes]:
    match = _LINE.fullmatch(line)
    if match is None:
        raise BadReply(f"not an SMTP reply: {clean(line[:80])!r}")
    return match[1], match[2] or b" ", match[3] or b""


def failure(reply: Reply, phase: Phase) -> DeliveryFailure:
    """The class of an answer that is not the one hoped for at `phase`, and whom it concerns.

    Not for an answer to the final dot that is neither a yes nor a no. There the email is in doubt.
    """
    judgement = judge(reply.code, reply.enhanced, reply.text, phase)
    text = reply.text if reply.negative else f"unexpected reply to {phase}: {reply.text}"
    # 454 is the provider's own (Amazon SES); a 4.7.x may be a policy about this one recipient.
    return judgement.kind(
        text, code=reply.code, enhanced=reply.enhanced, for_all=reply.code == 454, concerns=judgement.concerns
    )
