"""Listens for bounces, which the mail server hands over by LMTP or SMTP."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import structlog

from eed_delivery.errors import Stopping
from eed_delivery.tracking.bounces.intake import BounceIntake
from eed_delivery.tracking.bounces.session import IDLE_SECONDS, BounceHooks, Full, LmtpConversation, SmtpConversation

log = structlog.get_logger(__name__)

CONNECTIONS = 20
THREADS = 4
"""Limit: bounces that are stored at the same time, a commit each."""
LOOK_UP_SECONDS = 0.5
AWAY_SECONDS = 10.0

_CONVERSATIONS = {"lmtp": LmtpConversation, "smtp": SmtpConversation}


class BounceServer:
    """Answers from `run` until `stop` is set. A bounce is acknowledged when it is committed, and not before. When the
    database is away, the mail server is asked to try again, and nothing is lost."""

    def __init__(
        self,
        intake: BounceIntake,
        protocol: str,
        connections: int = CONNECTIONS,
        idle_seconds: float = IDLE_SECONDS,
        away_seconds: float = AWAY_SECONDS,
    ) -> None:
        """`away_seconds` is the time between tries to bind a port that is in use."""
        self._intake = intake
        self._conversation = _CONVERSATIONS[protocol]
        self._most = connections
        self._idle_seconds = idle_seconds
        self._away_seconds = away_seconds
        self._hooks = BounceHooks(intake.knows, self._take)
        self._open: set[SmtpConversation] = set()
        self._stopping = False
        self._storing = 0
        self._threads = ThreadPoolExecutor(THREADS, "bounce")

    def run(self, host: str, port: int, stop: threading.Event, beat: Callable[[], None]) -> None:
        """Listen there until `stop` is set. `beat` is called all the time. Then what is being stored is finished and
        answered, and everything closed. Clients without an answer will try again."""
        try:
            asyncio.run(self._serve(host, port, stop, beat))
        finally:
            self._threads.shutdown()

    async def _serve(self, host: str, port: int, stop: threading.Event, beat: Callable[[], None]) -> None:
        server = None
        while not stop.is_set():
            beat()
            if server is None:
                server = await self._listen(host, port)
            await asyncio.to_thread(stop.wait, LOOK_UP_SECONDS if server else self._away_seconds)
        if server is not None:
            server.close()
            await self._end()

    async def _end(self) -> None:
        """What is left after it are conversations that wait for a command. asyncio.run ends them."""
        self._stopping = True
        while self._storing:
            await asyncio.sleep(LOOK_UP_SECONDS / 10)

    async def _listen(self, host: str, port: int) -> asyncio.Server | None:
        """None if the port cannot be bound. It may become free."""
        try:
            server = await asyncio.get_running_loop().create_server(self._answer, host, port)
        except OSError as error:
            log.error("bounces_not_listened_for", host=host, port=port, reason=error.strerror or str(error))  # noqa: TRY400 - the reason says all
            return None
        log.info("bounces_listened_for", host=host, port=port)
        return server

    def _answer(self) -> asyncio.BaseProtocol:
        if len(self._open) >= self._most:
            return Full()
        conversation = self._conversation(self._hooks, self._forget, self._idle_seconds)
        self._open.add(conversation)
        return conversation

    def _forget(self, conversation: SmtpConversation) -> None:
        self._open.discard(conversation)

    async def _take(self, content: bytes, sent_to: str) -> None:
        if self._stopping:
            raise Stopping("the service is stopping")
        self._storing += 1
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, self._intake.take, content, sent_to)
        finally:
            self._storing -= 1
