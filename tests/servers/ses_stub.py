"""An SES that can go wrong: lost answers, throttling, pauses. Speaks SESv2 SendEmail and GetAccount over HTTP.

with SesStub() as ses:
    ses.on_send(Refuse(429, "TooManyRequestsException", "slow down"), times=1)
    ses.on_send(Lost(), recipient="a@example.com")  # it takes the message, and closes without an answer
    client = ses.client()
    ...
    ses.posts, ses.posts_to, ses.taken       # how often it was asked, and for whom; what it took
"""

import base64
import contextlib
import json
import socket
import struct
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from botocore.config import Config

from tests.servers.aws_clients import aws_client


@dataclass(frozen=True)
class Refuse:
    """An error answer with a code; the message is not taken."""

    status: int
    code: str
    message: str = "no"


@dataclass(frozen=True)
class Lost:
    """The message is taken; the connection ends without an answer (by a reset if `reset`)."""

    reset: bool = False


@dataclass(frozen=True)
class Cut:
    """The message is taken; the answer ends in its middle."""


@dataclass(frozen=True)
class Raw:
    """The message is taken; the answer has this status and body."""

    status: int
    body: bytes


@dataclass(frozen=True)
class Silence:
    """The message is taken; no answer comes until `release()` or the end."""


Answer = Refuse | Lost | Cut | Raw | Silence


@dataclass(frozen=True)
class Taken:
    """A message SES took; `at` by `time.monotonic()`."""

    message_id: str
    content: bytes
    recipients: tuple[str, ...]
    tags: dict[str, str]
    configuration_set: str | None
    request: dict[str, Any]
    at: float


@dataclass
class Rule:
    """An answer for the next sends; to one recipient, a number of times. `struck`: to whom it was given so far."""

    answer: Answer
    times: int | None = None
    recipient: str | None = None
    struck: list[str] = field(default_factory=list)

    def fits(self, recipient: str) -> bool:
        """Whether it is to be given now."""
        return self.recipient in (None, recipient) and (self.times is None or len(self.struck) < self.times)


class SesStub:
    """Listens on 127.0.0.1 on a free port."""

    def __init__(self) -> None:
        self.posts_to: Counter[str] = Counter()
        self.taken: list[Taken] = []
        self.account: dict[str, Any] = {
            "SendingEnabled": True,
            "SendQuota": {"MaxSendRate": 14.0, "Max24HourSend": 50000.0, "SentLast24Hours": 10.0},
        }
        self.account_answer: Answer | None = None
        self.per_second: int | None = None
        """What it takes in any second; more is throttled. None: no limit."""
        self.throttled: Counter[str] = Counter()
        self._last_second: deque[float] = deque()
        self.released = threading.Event()
        self.connections: set[socket.socket] = set()
        self._rules: list[Rule] = []
        self._lock = threading.Lock()
        stub = self

        class Handler(_Handler):
            ses = stub

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    @property
    def endpoint_url(self) -> str:
        """For `[ses] endpoint_url`."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def client(self, **settings: Any) -> Any:
        """A boto3 client for it, without retries, with short timeouts unless `settings` says otherwise."""
        config: dict[str, Any] = {"retries": {"total_max_attempts": 1}, "connect_timeout": 1, "read_timeout": 1}
        return aws_client(
            "sesv2",
            region_name="us-east-2",
            endpoint_url=self.endpoint_url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(**{**config, **settings}),
        )

    @property
    def posts(self) -> int:
        """How often it was asked to send."""
        return self.posts_to.total()

    def on_send(self, answer: Answer, times: int | None = None, *, recipient: str | None = None) -> Rule:
        """Answer the next sends so, `times` times (None: always). The first rule that fits is followed."""
        rule = Rule(answer, times, recipient)
        with self._lock:
            self._rules.append(rule)
        return rule

    def forget(self) -> None:
        """Be friendly again."""
        with self._lock:
            self._rules.clear()

    def release(self) -> None:
        """End every silence."""
        self.released.set()

    def __enter__(self) -> "SesStub":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop listening, and end what is open."""
        self.released.set()
        self._http.shutdown()
        self._http.server_close()
        for connection in list(self.connections):
            with contextlib.suppress(OSError):  # the client has closed it already
                connection.shutdown(socket.SHUT_RDWR)

    def answer_to(self, recipient: str) -> Answer | None:
        """The answer to give now, used up by one; counts the POST."""
        with self._lock:
            self.posts_to[recipient] += 1
            rule = next((rule for rule in self._rules if rule.fits(recipient)), None)
            if rule is None:
                return self._too_fast(recipient)
            rule.struck.append(recipient)
            return rule.answer

    def _too_fast(self, recipient: str) -> Answer | None:
        now = time.monotonic()
        while self._last_second and self._last_second[0] < now - 1:
            self._last_second.popleft()
        if self.per_second is not None and len(self._last_second) >= self.per_second:
            self.throttled[recipient] += 1
            return Refuse(429, "TooManyRequestsException", "Maximum sending rate exceeded.")
        self._last_second.append(now)
        return None

    def take(self, request: dict[str, Any]) -> Taken:
        """Keep a message."""
        with self._lock:
            taken = Taken(
                f"0100-{len(self.taken) + 1:08d}",
                base64.b64decode(request["Content"]["Raw"]["Data"]),
                tuple(request.get("Destination", {}).get("ToAddresses", ())),
                {tag["Name"]: tag["Value"] for tag in request.get("EmailTags", ())},
                request.get("ConfigurationSetName"),
                request,
                time.monotonic(),
            )
            self.taken.append(taken)
        return taken


class _Handler(BaseHTTPRequestHandler):
    ses: SesStub
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.ses.connections.add(self.connection)

    def finish(self) -> None:
        self.ses.connections.discard(self.connection)
        super().finish()

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        match self.ses.account_answer:
            case Refuse(status, code, message):
                self._json(status, {"message": message}, code)
            case _:
                self._json(200, self.ses.account)

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = self.ses.answer_to("".join(request.get("Destination", {}).get("ToAddresses", ())))
        if isinstance(answer, Refuse):
            self._json(answer.status, {"message": answer.message}, answer.code)
            return
        taken = self.ses.take(request)
        match answer:
            case None:
                self._json(200, {"MessageId": taken.message_id})
            case Raw(status, raw):
                self._bytes(status, raw, len(raw))
            case Cut():
                self._bytes(200, b'{"Messa', 500)
                self.close_connection = True
            case Silence():
                self.ses.released.wait()
                self.close_connection = True
            case Lost(reset):
                if reset:
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True

    def _json(self, status: int, body: dict[str, Any], code: str | None = None) -> None:
        data = json.dumps(body).encode()
        self._bytes(status, data, len(data), code)

    def _bytes(self, status: int, body: bytes, length: int, code: str | None = None) -> None:
        self.send_response(status)
        if code:
            self.send_header("x-amzn-ErrorType", code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)
