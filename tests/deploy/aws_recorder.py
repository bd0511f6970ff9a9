"""Stands before a stand-in for AWS, passes each request on, and remembers which action it is, and who asked for it.

    with AwsRecorder(ministack.endpoint_url) as recorder:
        ...                       # a service whose endpoint_url is recorder.url, and whose key id is its role's name
        recorder.actions["worker"]  # {("sqs:SendMessage", "eed"), …}

Who asks is the id of the access key, which is in each request's signature.
"""

import http.client
import json
import re
import threading
from collections import defaultdict
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import parse_qs, urlsplit

SIGNED_BY = re.compile(r"Credential=([^/]+)/\d+/[a-z0-9-]+/([a-z0-9-]+)/aws4_request")
SES = {("POST", "/v2/email/outbound-emails"): "SendEmail", ("GET", "/v2/email/account"): "GetAccount"}
S3 = {
    ("GET", True): "GetObject",
    ("HEAD", True): "GetObject",
    ("PUT", True): "PutObject",
    ("HEAD", False): "ListBucket",
}
"""By method, and whether a key is named. HeadObject and HeadBucket need these rights:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html"""
IAM_NAMES = {"monitoring": "cloudwatch"}
"""Services whose requests are signed for another name."""
OF_ONE_CONNECTION = ("content-length", "transfer-encoding", "connection", "date", "server")
SECONDS = 60


class AwsRecorder:
    """Listens on 127.0.0.1. `actions` has, by access key, the IAM actions with the resource's name."""

    def __init__(self, behind: str) -> None:
        self.actions: dict[str, set[tuple[str, str]]] = defaultdict(set)
        self._lock = threading.Lock()
        recorder, place = self, urlsplit(behind).netloc

        class Handler(_Handler):
            recording = recorder
            behind = place

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> "AwsRecorder":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._http.server_close()

    def heard(self, method: str, path: str, headers: http.client.HTTPMessage, body: bytes) -> None:
        """Remember one request."""
        signed = SIGNED_BY.search(headers.get("Authorization", ""))
        assert signed, f"{method} {path} is not signed"
        key, service = signed.groups()
        action, resource = _action(service, method, path, headers.get("X-Amz-Target", ""), body)
        with self._lock:
            self.actions[key].add((f"{IAM_NAMES.get(service, service)}:{action}", resource))


def _action(service: str, method: str, path: str, target: str, body: bytes) -> tuple[str, str]:
    place = urlsplit(path).path
    match service:
        case "sqs":  # a batch needs the right of the single call
            asked = json.loads(body)
            return target.rpartition(".")[2].removesuffix("Batch"), asked["QueueUrl"].rpartition("/")[2]
        case "ses":
            return SES[method, place], "*"
        case "s3":
            bucket, _, name = place.strip("/").partition("/")
            return S3[method, bool(name)], bucket
        case "sns":
            asked = parse_qs(body.decode())
            return asked["Action"][0], asked["TopicArn"][0].rpartition(":")[2]
        case "monitoring":
            return target.rpartition(".")[2] or place.rpartition("/")[2], "*"  # JSON, or CBOR by the path
        case "secretsmanager":
            return target.rpartition(".")[2], json.loads(body)["SecretId"].rpartition(":")[2]
    raise AssertionError(f"no right is known for {service} {method} {path}")


class _Handler(BaseHTTPRequestHandler):
    recording: AwsRecorder
    behind: str
    protocol_version = "HTTP/1.1"

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.recording.heard(self.command, self.path, self.headers, body)
        behind = http.client.HTTPConnection(self.behind, timeout=SECONDS)
        try:
            behind.request(self.command, self.path, body, dict(self.headers))
            answer = behind.getresponse()
            content = answer.read()
        except OSError:  # the test is over, and what was behind has gone
            self.close_connection = True
            return
        finally:
            behind.close()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in OF_ONE_CONNECTION:
                self.send_header(name, value)
        length = answer.getheader("Content-Length", "0") if self.command == "HEAD" else str(len(content))
        self.send_header("Content-Length", length)
        self.end_headers()
        with suppress(BrokenPipeError):  # the service has ended meanwhile
            self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = _pass_on  # noqa: N815

    def log_message(self, *args: object) -> None:
        """Nothing."""
