"""`python -m benchmarks.aws_call`: the CPU of one HTTP exchange with AWS, by `aws.calls` and by `http.client`.

Both send the same request on a kept connection to a server in a process of its own, and take turns. The figures are
milliseconds of user and system time of this process for one exchange. `http.client` has the least to do, because no
check of its answers is added.
"""

import argparse
import http.client
import random
import resource
import socketserver
import statistics
import subprocess
import sys
from collections.abc import Callable
from typing import cast

from eed_delivery.aws.calls.connections import Connections, HttpSettings

BODY = b'{"MessageId":"0102018c2f3e4d5a-1b2c3d4e-5f60-7182-93a4-b5c6d7e8f901-000000"}'
ANSWER = (
    b"HTTP/1.1 200 OK\r\nDate: Mon, 30 Nov 2026 04:00:00 GMT\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\nConnection: keep-alive\r\nx-amzn-RequestId: 8f5c9f3a-1b2c-4d5e-8f90-0123456789ab\r\n\r\n%s"
) % (len(BODY), BODY)
PATH = "/v2/email/outbound-emails"
CALLS = 200
"""Calls of one kind before it is the other's turn."""


class _Answering(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True

    def handle(self) -> None:
        """Read requests, and answer each."""
        while self.rfile.readline():
            length = 0
            while (line := self.rfile.readline().strip()) != b"":
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            self.rfile.read(length)
            self.wfile.write(ANSWER)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--bytes", type=int, default=80_000, help="of a request's body")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        _serve()
        return
    command = [sys.executable, "-m", "benchmarks.aws_call", "--serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            _measure(int(server.stdout.readline()), b"x" * options.bytes, options.rounds)
        finally:
            server.kill()


def _serve() -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Answering) as server:
        server.daemon_threads = True
        print(cast(tuple[str, int], server.server_address)[1], flush=True)
        server.serve_forever()


def _measure(port: int, body: bytes, rounds: int) -> None:
    kinds = {"aws.calls": _ours(port, body), "http.client": _theirs(port, body)}
    took: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for kind in random.sample(list(kinds), len(kinds)):
            began = _cpu()
            for _ in range(CALLS):
                kinds[kind]()
            took[kind].append((_cpu() - began) / CALLS * 1000)
    print(f"{rounds * CALLS:,} exchanges of each kind, {len(body):,} bytes sent in each; ms of CPU")
    for kind, figures in took.items():
        print(f"{kind:12} median {statistics.median(figures):.3f}  least {min(figures):.3f}")


def _ours(port: int, body: bytes) -> Callable[[], None]:
    settings = HttpSettings((5, 5), {}, verify=True, max_pool_connections=1)
    connections = Connections(f"http://127.0.0.1:{port}", settings, max_idle_seconds=5)
    head = "".join(f"{name}: {value}\r\n" for name, value in _fields(port).items())
    request = f"POST {PATH} HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    def exchange() -> None:
        assert connections.exchange(request).body == BODY

    return exchange


def _theirs(port: int, body: bytes) -> Callable[[], None]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    fields = _fields(port)

    def exchange() -> None:
        connection.request("POST", PATH, body, fields)
        assert connection.getresponse().read() == BODY

    return exchange


def _fields(port: int) -> dict[str, str]:
    return {
        "Host": f"127.0.0.1:{port}",
        "User-Agent": "eed-delivery/0.1.0 Boto3/1.40 md/Botocore#1.40 ua/2.1 os/linux#6 lang/python#3.11",
        "Accept-Encoding": "identity",
        "content-type": "application/json",
        "X-Amz-Date": "20261130T040000Z",
        "X-Amz-Security-Token": "t" * 400,
        "Authorization": "AWS4-HMAC-SHA256 " + "a" * 200,
    }


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
