"""One conversation in LMTP (RFC 2033) or SMTP (RFC 5321) in which bounces are handed over."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable

import structlog
from aiosmtpd.smtp import SMTP, Envelope, Session, syntax

from eed_delivery.errors import DatabaseGone, Stopping
from eed_delivery.tracking.bounces.parsing import MAX_BYTES

log = structlog.get_logger(__name__)

IDLE_SECONDS = 300.0
"""RFC 5321, 4.5.3.2.7. From one command to the next, so a whole message has no longer either."""
UNKNOWN = "550 5.1.1 no email of ours has this address"
ONE_AT_A_TIME = "452 4.5.3 one recipient at a time"  # LMTP wants an answer for each, and each bounce has but one
TAKEN = "250 2.0.0 taken"
LATER = "451 4.3.0 try again later"

# aiosmtpd writes what strangers say into its log, at any level.
logging.getLogger("mail.log").setLevel(logging.CRITICAL)


class BounceHooks:
    """aiosmtpd's hooks, shared by all conversations. `take` stores a message, and raises if it is to come again."""

    def __init__(self, knows: Callable[[str], bool], take: Callable[[bytes, str], Awaitable[None]]) -> None:
        self._knows = knows
        self._take = take

    async def handle_RCPT(  # noqa: N802 - aiosmtpd names its hooks
        self,
        _server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        _options: list[str],
    ) -> str:
        if not self._knows(address):
            return UNKNOWN
        if envelope.rcpt_tos:
            return ONE_AT_A_TIME
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 recipient ok"

    async def take(self, content: bytes, sent_to: str) -> str:
        """The answer to a message. After any error, its sender keeps it."""
        try:
            await self._take(content, sent_to)
        except (DatabaseGone, Stopping) as error:
            log.warning("bounce_waits", reason=str(error))
            return LATER
        except Exception:
            log.exception("bounce_not_taken")
            return LATER
        return TAKEN

    async def handle_exception(self, error: Exception) -> str:
        """What aiosmtpd itself stumbles over, in what a stranger has said."""
        log.warning("bounce_conversation_failed", reason=type(error).__name__)
        return LATER


class SmtpConversation(SMTP):
    """A message of any size is taken, but only its beginning kept. What is refused as too large is lost."""

    line_length_limit = 65_536

    def __init__(self, hooks: BounceHooks, ended: "Callable[[SmtpConversation], None]", idle_seconds: float) -> None:
        self._hooks = hooks
        self._ended = ended
        super().__init__(
            hooks,
            data_size_limit=None,
            enable_SMTPUTF8=True,
            hostname=socket.gethostname(),
            ident="eed-delivery",
            timeout=idle_seconds,
            loop=asyncio.get_running_loop(),
        )

    def connection_lost(self, error: Exception | None) -> None:
        self._ended(self)
        super().connection_lost(error)

    @syntax("DATA")
    async def smtp_DATA(self, arg: str | None) -> None:  # noqa: N802
        """In place of aiosmtpd's, which keeps all of a line that never ends."""
        if await self.check_helo_needed():
            return
        sent_to = self.envelope.rcpt_tos[0] if self.envelope and self.envelope.rcpt_tos else None
        if sent_to is None:
            await self.push("503 5.5.1 no recipient yet")
        elif arg:
            await self.push("501 5.5.4 DATA stands alone")
        else:
            await self.push("354 go ahead")
            content = await self._content()
            self._set_post_data_state()  # type: ignore[no-untyped-call]
            await self.push(await self._hooks.take(content, sent_to))

    async def _content(self) -> bytes:
        """The first MAX_BYTES of the message, and a line more. The rest is read and forgotten.

        Only CRLF ends a line (RFC 5321, 2.3.8). A dot between bare line feeds ends nothing.
        """
        kept, at_start = bytearray(), True
        while True:
            try:
                piece = await self._reader.readuntil(b"\r\n")
            except asyncio.LimitOverrunError as error:
                piece = await self._reader.read(error.consumed)
            if at_start and piece == b".\r\n":
                return bytes(kept)
            if len(kept) <= MAX_BYTES:
                kept += piece[1:] if at_start and piece.startswith(b".") else piece  # 4.5.2
            at_start = piece.endswith(b"\r\n")


class LmtpConversation(SmtpConversation):
    """The same with LHLO (RFC 2033, section 4.1). An answer for each recipient is one answer here."""

    @syntax("LHLO hostname")
    async def smtp_LHLO(self, arg: str | None) -> None:  # noqa: N802
        await super().smtp_EHLO(arg)

    async def smtp_EHLO(self, arg: str | None) -> None:  # noqa: N802, ARG002
        await self.push("500 5.5.1 this is LMTP")

    async def smtp_HELO(self, arg: str | None) -> None:  # noqa: N802, ARG002
        await self.push("500 5.5.1 this is LMTP")


class Full(asyncio.Protocol):
    """What a caller finds when as many talk already as may."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.WriteTransport):
            transport.write(b"421 4.3.2 too many connections\r\n")
            transport.close()
