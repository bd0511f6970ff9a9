"""An SQS that does all that SQS's documentation allows: a proxy before ministack that adds its faults on the way.

    with SqsProxy(ministack.endpoint_url, random.Random(1), Faults(duplicates=0.1)) as proxy:
        stack = site.stack({"queue.endpoint_url": proxy.url})
        proxy.faults = Faults(down=True)       # another weather, from the next request on
        proxy.injected["duplicate"]            # how often each fault was really injected

The truth about every message stays in ministack. A second delivery is a second message there, which is given out under
the first one's MessageId. It has a visibility, a receipt and a receive count of its own.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/standard-queues-at-least-once-delivery.html
"""

import hashlib
import http.client
import json
import math
import random
import socket
import socketserver
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from types import TracebackType
from typing import Any, cast
from urllib.parse import urlsplit

HELD_BACK_SECONDS = (1, 2)
COPY_DELAY_SECONDS = (0, 0, 1, 3)
"""A second delivery comes while the first is in hand, or when it is long over."""
LOOK_SECONDS = 0.25
MAX_BATCH = 10

Json = dict[str, Any]


@dataclass(frozen=True)
class Faults:
    """What goes wrong; shares are from 0 to 1, each thrown for itself."""

    duplicates: float = 0
    """Of the messages delivered: delivered once more, with the same MessageId and body and another receipt."""
    held_back: float = 0
    """Of the messages sent: overtaken by later ones. What one answer delivers is shuffled besides."""
    partial: float = 0
    """Of the entries of any batch: half in `Failed` and not done, a quarter in neither list and done, a quarter in
    neither list and not done."""
    expired: float = 0
    """Of the receipts in deletes and changes of visibility: `ReceiptHandleIsInvalid`, for the entry."""
    expired_calls: float = 0
    """Of the deletes and changes of visibility: `ReceiptHandleIsInvalid`, for the whole call."""
    lost_sends: float = 0
    """Of the SendMessageBatch calls: done, and the connection closed without an answer."""
    lost_receives: float = 0
    """The same of ReceiveMessage, where there were messages: they are in flight, and nobody has them."""
    lost_deletes: float = 0
    """The same of DeleteMessageBatch."""
    swallowed: float = 0
    """Of the messages sent: named in `Successful`, and never seen again."""
    foreign: float = 0
    """Beside so many of the messages sent comes one with a body that is none of ours."""
    in_flight_limit: int | None = None
    """So many messages of one queue may be in flight. AWS has 120,000: "If you reach this quota while using short
    polling, Amazon SQS returns the OverLimit error message. If you use long polling, Amazon SQS returns no error
    messages." https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html"""
    down: bool = False
    """503 for everything."""


class _Fate(Enum):
    """What becomes of one entry of a batch."""

    DONE = auto()
    FAILED = auto()
    SILENT_DONE = auto()
    SILENT = auto()
    EXPIRED = auto()
    SWALLOWED = auto()


@dataclass(frozen=True)
class _Request:
    """One call: `action` is SendMessageBatch, ReceiveMessage, …"""

    action: str
    headers: dict[str, str]
    body: Json


@dataclass(frozen=True)
class _Answer:
    """What goes back. `error`: AWS's `x-amzn-query-error`."""

    status: int
    body: Json
    error: str | None = None


class _Lost(Exception):
    """Done, but the answer is lost."""


Forward = Callable[[_Request], _Answer]


@dataclass
class SqsProxy:
    """Listens on 127.0.0.1 on a free port, with a thread and a connection to ministack for each client connection."""

    target: str
    random: random.Random
    faults: Faults = Faults()
    injected: Counter[str] = field(default_factory=Counter)
    """How often each fault was injected: duplicate, held_back, failed, silent_done, silent, expired, expired_call,
    lost_send, lost_receive, lost_delete, swallowed, foreign, over_limit, unavailable."""
    calls: Counter[str] = field(default_factory=Counter)
    """Calls by action, counted when they come in."""
    traced: int = 0
    """Requests that send with a trace header, which Lambda would take for a loop after 16 rounds."""
    scale: float = 1.0
    """By this a second of the service is shorter than one of ours: delays of messages are divided by it."""
    ungrouped: int = 0
    """Messages of ours that were sent without a MessageGroupId."""

    def __post_init__(self) -> None:
        self._originals: dict[str, str] = {}  # a copy's own MessageId: the first one's
        self._deliveries: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._receiving = threading.Lock()
        self._stopping = threading.Event()
        self._server = _Server(self)

    @property
    def url(self) -> str:
        """What goes into `queue.endpoint_url`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "SqsProxy":
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._server.end_connections()

    @property
    def total(self) -> int:
        """How many faults were injected."""
        return self.injected.total()

    def answer(self, request: _Request, forward: Forward) -> _Answer:
        """One call, with what goes wrong in it. Raises `_Lost` where no answer is to be given."""
        with self._lock:
            self.calls[request.action] += 1
        if self.faults.down:
            self._note("unavailable")
            return _Answer(503, {"__type": "ServiceUnavailable", "message": "try again"}, "ServiceUnavailable;Receiver")
        match request.action:
            case "SendMessageBatch":
                return self._lose("lost_send", self.faults.lost_sends, self._send(request, forward))
            case "ReceiveMessage":
                return self._receive(request, forward)
            case "DeleteMessageBatch":
                return self._lose("lost_delete", self.faults.lost_deletes, self._settle(request, forward))
            case "ChangeMessageVisibilityBatch":
                return self._settle(request, forward)
        return forward(request)

    # --- sending -------------------------------------------------------------------------------------------------

    def _send(self, request: _Request, forward: Forward) -> _Answer:
        entries: list[Json] = request.body["Entries"]
        if "x-amzn-trace-id" in request.headers:
            self.traced += 1
        for entry in entries:
            if self.scale != 1 and entry.get("DelaySeconds"):
                entry["DelaySeconds"] = math.ceil(entry["DelaySeconds"] / self.scale)
            if "MessageGroupId" not in entry:
                self.ungrouped += 1
            if not entry.get("DelaySeconds") and self._throw(self.faults.held_back, "held_back"):
                entry["DelaySeconds"] = self.random.choice(HELD_BACK_SECONDS)
        answer = self._batch(request, forward)
        for entry in entries:
            if self._throw(self.faults.foreign, "foreign"):
                self._post(request, forward, _foreign(self.random, entry["MessageBody"]), 0)
        return answer

    def _post(self, request: _Request, forward: Forward, message: Json, delay: int) -> Json:
        """Send a message of our own to the queue of this request."""
        body = {"QueueUrl": request.body["QueueUrl"], "DelaySeconds": delay, **message}
        return forward(_Request("SendMessage", request.headers, body)).body

    # --- receiving -----------------------------------------------------------------------------------------------

    def _receive(self, request: _Request, forward: Forward) -> _Answer:
        wanted = request.body.get("MessageSystemAttributeNames", [])
        asked = _Request(request.action, request.headers, {**request.body, "MessageSystemAttributeNames": ["All"]})
        answer = self._receive_within_limit(asked, forward) if self.faults.in_flight_limit else forward(asked)
        messages: list[Json] = answer.body.get("Messages", [])
        for message in messages:
            self._deliver(request, forward, message)
            message["Attributes"] = {k: v for k, v in message.get("Attributes", {}).items() if k in wanted}
        if self.faults.held_back:
            self.random.shuffle(messages)
        return self._lose("lost_receive", self.faults.lost_receives, answer) if messages else answer

    def _deliver(self, request: _Request, forward: Forward, message: Json) -> None:
        first = self._originals.get(message["MessageId"], message["MessageId"])
        with self._lock:
            self._deliveries[first] += 1
            count = self._deliveries[first]
        facts = message["Attributes"]
        if self._throw(self.faults.duplicates, "duplicate"):
            copy = {"MessageBody": message["Body"]}
            if "MessageGroupId" in facts:
                copy["MessageGroupId"] = facts["MessageGroupId"]
            sent = self._post(request, forward, copy, self.random.choice(COPY_DELAY_SECONDS))
            self._originals[sent["MessageId"]] = first
        message["MessageId"] = first
        facts["ApproximateReceiveCount"] = str(count)  # one message for the receiver: all its deliveries count

    def _receive_within_limit(self, request: _Request, forward: Forward) -> _Answer:
        """Short polls of ours until there is a message, the client's wait is over, or the limit is reached."""
        wait = request.body.get("WaitTimeSeconds", 0)
        until = time.monotonic() + wait
        limited = False
        while True:
            with self._receiving:  # two that ask at once would both find room for ten
                room = self._room(request, forward)
                limited = limited or room <= 0
                if room > 0:
                    limit = min(room, request.body.get("MaxNumberOfMessages", 1))
                    body = {**request.body, "WaitTimeSeconds": 0, "MaxNumberOfMessages": limit}
                    answer = forward(_Request(request.action, request.headers, body))
                    if answer.body.get("Messages"):
                        return answer
            if time.monotonic() >= until or self._stopping.wait(LOOK_SECONDS):
                break
        if limited:
            self._note("over_limit")
        if limited and not wait:
            return _Answer(400, {"__type": "OverLimit", "message": "too many messages in flight"}, "OverLimit;Sender")
        return _Answer(200, {})

    def _room(self, request: _Request, forward: Forward) -> int:
        name = "ApproximateNumberOfMessagesNotVisible"
        body = {"QueueUrl": request.body["QueueUrl"], "AttributeNames": [name]}
        facts = forward(_Request("GetQueueAttributes", request.headers, body)).body["Attributes"]
        return (self.faults.in_flight_limit or MAX_BATCH) - int(facts[name])

    # --- deletes and visibility ----------------------------------------------------------------------------------

    def _settle(self, request: _Request, forward: Forward) -> _Answer:
        if self._throw(self.faults.expired_calls, "expired_call"):
            said = {"__type": "ReceiptHandleIsInvalid", "message": "The input receipt handle is invalid."}
            return _Answer(400, said, "ReceiptHandleIsInvalid;Sender")
        return self._batch(request, forward)

    # --- any batch -----------------------------------------------------------------------------------------------

    def _batch(self, request: _Request, forward: Forward) -> _Answer:
        entries: list[Json] = request.body["Entries"]
        fates = {entry["Id"]: self._fate(request.action) for entry in entries}
        done = [e for e in entries if fates[e["Id"]] in (_Fate.DONE, _Fate.SILENT_DONE)]
        answer = _Answer(200, {})
        if done:
            answer = forward(_Request(request.action, request.headers, {**request.body, "Entries": done}))
            if answer.status != 200:
                return answer
        told = {
            name: [e for e in answer.body.get(name, []) if fates[e["Id"]] is _Fate.DONE]
            for name in ("Successful", "Failed")
        }
        told["Successful"] += [_taken(e) for e in entries if fates[e["Id"]] is _Fate.SWALLOWED]
        told["Failed"] += [_failed(e["Id"], fates[e["Id"]]) for e in entries if fates[e["Id"]] in _CODES]
        return _Answer(200, told)

    def _fate(self, action: str) -> _Fate:
        sending = action == "SendMessageBatch"
        if sending and self._throw(self.faults.swallowed, "swallowed"):
            return _Fate.SWALLOWED
        if not sending and self._throw(self.faults.expired, "expired"):
            return _Fate.EXPIRED
        if self.random.random() >= self.faults.partial:
            return _Fate.DONE
        fate = self.random.choice((_Fate.FAILED, _Fate.FAILED, _Fate.SILENT_DONE, _Fate.SILENT))
        self._note(fate.name.lower())
        return fate

    def _lose(self, name: str, share: float, answer: _Answer) -> _Answer:
        if self._throw(share, name):
            raise _Lost
        return answer

    def _throw(self, share: float, name: str) -> bool:
        hit = self.random.random() < share
        if hit:
            self._note(name)
        return hit

    def _note(self, name: str) -> None:
        with self._lock:
            self.injected[name] += 1


_CODES = {_Fate.FAILED: ("InternalError", False), _Fate.EXPIRED: ("ReceiptHandleIsInvalid", True)}


def _failed(entry_id: str, fate: _Fate) -> Json:
    code, sender_fault = _CODES[fate]
    return {"Id": entry_id, "Code": code, "Message": "injected by the proxy", "SenderFault": sender_fault}


def _taken(entry: Json) -> Json:
    digest = hashlib.md5(entry["MessageBody"].encode()).hexdigest()
    return {"Id": entry["Id"], "MessageId": str(uuid.uuid4()), "MD5OfMessageBody": digest}


def _foreign(chance: random.Random, ours: str) -> Json:
    """A body that is none of ours, some of them nearly."""
    said = json.loads(ours)
    bodies = (
        "<xml>not even JSON</xml>",
        json.dumps({"Records": [{"eventSource": "aws:s3"}]}),
        json.dumps({**said, "v": 2}),
        json.dumps({**said, "email_id": 2**62 + said["email_id"]}),
        json.dumps({**said, "gen": said["gen"] + 5}),
    )
    return {"MessageBody": chance.choice(bodies)}


class _Server(socketserver.ThreadingTCPServer):
    """The listening side."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, proxy: SqsProxy) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.proxy = proxy
        self.open: set[socket.socket] = set()

    def end_connections(self) -> None:
        for connection in list(self.open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Connection(socketserver.StreamRequestHandler):
    """One client connection, and the one behind it. Reads HTTP by hand: botocore's requests are all of one shape, and
    http.server's way of reading headers costs more than all the rest."""

    disable_nagle_algorithm = True

    def handle(self) -> None:
        server = cast(_Server, self.server)
        server.open.add(self.connection)
        where = urlsplit(server.proxy.target)
        self._upstream = http.client.HTTPConnection(where.hostname or "", where.port)
        try:
            while (request := self._read()) is not None:
                self._write(server.proxy.answer(request, self._forward))
        except (_Lost, OSError, http.client.HTTPException):
            pass  # the answer is to be lost, or one of the two sides has gone: the client learns it by the close
        finally:
            self._upstream.close()
            server.open.discard(self.connection)

    def _read(self) -> _Request | None:
        if not self.rfile.readline():
            return None
        headers: dict[str, str] = {}
        while (line := self.rfile.readline().strip()) != b"":
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        body = json.loads(self.rfile.read(int(headers.pop("content-length", "0"))) or b"{}")
        return _Request(headers.get("x-amz-target", "").rpartition(".")[2], headers, body)

    def _forward(self, request: _Request) -> _Answer:
        headers = {**request.headers, "x-amz-target": f"AmazonSQS.{request.action}"}
        self._upstream.request("POST", "/", json.dumps(request.body).encode(), headers)
        answer = self._upstream.getresponse()
        return _Answer(answer.status, json.loads(answer.read() or b"{}"), answer.getheader("x-amzn-query-error"))

    def _write(self, answer: _Answer) -> None:
        data = json.dumps(answer.body).encode()
        error = f"x-amzn-query-error: {answer.error}\r\n" if answer.error else ""
        head = (
            f"HTTP/1.1 {answer.status} -\r\nContent-Type: application/x-amz-json-1.0\r\n{error}"
            f"x-amzn-RequestId: {uuid.uuid4()}\r\nContent-Length: {len(data)}\r\n\r\n"
        )
        self.wfile.write(head.encode() + data)
