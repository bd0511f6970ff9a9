"""Channels of the file: each checked by its kind, secrets by reference, and no two with one queue."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeGuard

import pytest
from pydantic import TypeAdapter, ValidationError

from eed_delivery import transports
from eed_delivery.channels.of_file import channels_of
from eed_delivery.channels.queue_urls import QueueUrls
from eed_delivery.config import Settings, load
from eed_delivery.config.channels import ChannelSettings
from eed_delivery.config.references import SecretReference, resolve
from eed_delivery.errors import ConfigError
from eed_delivery.transports.kind import kinds
from tests.servers.scripted_http import ScriptedHttp, answer

QUEUE = {"url": "https://sqs.us-east-1.amazonaws.com/1/statements"}
BUCKET = {"kind": "s3", "bucket": "bank", "region": "us-east-1"}
PLUGIN = Path(__file__).parent / "courier_channel"


def settings(**channels: dict[str, Any]) -> Settings:
    return Settings(
        database={"url": "sqlite://"},
        aws={"region": "us-east-1"},
        queue={"url": "https://sqs.us-east-1.amazonaws.com/1/default"},
        rendering={"message_id_domain": "bank.example"},
        channel=channels,
    )


def told(**channels: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        channels_of(settings(**channels))
    return "\n".join(str(problem) for problem in caught.value.problems)


def test_the_channel_default_is_what_the_sections_say() -> None:
    default = channels_of(settings())["default"]
    assert default.is_default
    assert default.queue.url.endswith("/default")
    assert default.threads == "auto"
    assert not default.carries_files


def test_a_channel_has_its_kinds_settings() -> None:
    given = {"kind": "smtp", "queue": QUEUE, "threads": 3, "host": "relay.bank.example", "port": 2525}
    channel = channels_of(settings(statements=given))["statements"]
    assert channel.kind is kinds()["smtp"]
    assert (channel.settings.host, channel.settings.port) == ("relay.bank.example", 2525)  # type: ignore[attr-defined]
    assert channel.threads == 3


def test_a_channel_can_be_given_by_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "eed.toml"
    file.write_text(
        '[database]\nurl = "sqlite://"\n[aws]\nregion = "us-east-1"\n[queue]\nurl = "https://q.example/default"\n'
        '[rendering]\nmessage_id_domain = "bank.example"\n'
        '[channel.news]\nkind = "smtp"\nqueue = {url = "https://q.example/news"}\nhost = "old.bank.example"\n'
    )
    loaded = load(file, {"EED_CHANNEL__NEWS__HOST": "new.bank.example"})
    assert channels_of(loaded)["news"].settings.host == "new.bank.example"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("given", "where", "words"),
    [
        ({"kind": "pigeon"}, "channel.c.kind", "there is no kind of channel 'pigeon'"),
        ({"kind": "smtp", "hots": "relay"}, "channel.c.hots", "Did you mean host?"),
        ({"kind": "smtp", "port": "many"}, "channel.c.port", "not a whole number"),
        ({"kind": "smtp", "username": "eed"}, "channel.c", "username and password: one of them is set"),
        ({"kind": "smtp", "tls": "none", "host": "relay.bank.example"}, "channel.c", "in clear text"),
        ({"kind": "smtp", "username": "eed", "password": "hunter22"}, "channel.c.password", "not a reference"),
        ({"kind": "smtp", "data_timeout_seconds": 3600}, "channel.c", "counts as stalled"),
        ({"kind": "smtp", "rate_per_second": "ses"}, "channel.c.rate_per_second", "what SES allows"),
        ({**BUCKET, "manifest": "manifest.{{ format }}"}, "channel.c.manifest", "two manifests would have one path"),
        (
            {**BUCKET, "manifest": "../{{ job }}{{ edition }}.{{ format }}"},
            "channel.c.manifest",
            "leaves the directory",
        ),
    ],
)
def test_a_mistake_is_told_with_its_channel_and_setting(given: dict[str, Any], where: str, words: str) -> None:
    problems = told(c={"queue": QUEUE, **given})
    assert problems.startswith(f"{where}:")
    assert words in problems
    assert "hunter22" not in problems


def test_a_lease_is_longer_than_a_channels_longest_send() -> None:
    given = settings(c={"kind": "smtp", "queue": QUEUE, "data_timeout_seconds": 900})
    short = given.model_copy(update={"worker": given.worker.model_copy(update={"send_lease_seconds": 1500.0})})
    with pytest.raises(ConfigError, match="its lease lasts only 1500"):
        channels_of(short)


def test_every_mistake_of_every_channel_is_told() -> None:
    problems = told(a={"kind": "pigeon", "queue": QUEUE}, b={"kind": "smtp", "queue": QUEUE, "hots": "x", "port": 0})
    assert [line.split(":")[0] for line in problems.splitlines()] == [
        "channel.a.kind",
        "channel.b.port",
        "channel.b.hots",
    ]


def test_no_two_channels_have_one_queue() -> None:
    assert "a and b use the same queue" in told(
        a={"kind": "smtp", "queue": QUEUE},
        b={"kind": "smtp", "queue": {"url": "https://q.example/b", "dead_letter_url": QUEUE["url"]}},
    )
    assert "default and a use" in told(a={"kind": "smtp", "queue": {"url": settings().queue.url}})


def test_queues_that_the_service_makes_are_named_after_that_of_the_installation_and_the_channel() -> None:
    queue = channels_of(settings(news={"kind": "smtp", "queue": {"create": True}}))["news"].queue
    base = "https://sqs.us-east-1.amazonaws.com/1/default-news"
    assert queue == QueueUrls(base, f"{base}-dead", create=True)


@pytest.mark.parametrize(
    ("queue", "words"),
    [
        ({"create": True, "url": "https://q.example/a"}, "create is set, and so is a URL"),
        ({"create": True, "dead_letter_url": "https://q.example/a"}, "create is set, and so is a URL"),
        ({}, "it names no queue"),
        ({"create": False}, "it names no queue"),
    ],
)
def test_a_queue_is_named_or_made(queue: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        settings(a={"kind": "smtp", "queue": queue})


def test_a_name_that_sqs_refuses_is_a_mistake() -> None:
    url = f"https://sqs.us-east-1.amazonaws.com/1/{'q' * 71}"
    given = settings(news={"kind": "smtp", "queue": {"create": True}})
    long = given.model_copy(update={"queue": given.queue.model_copy(update={"url": url})})
    with pytest.raises(ConfigError, match=r"channel\.news\.queue: the name q+-news-dead is longer than the 80"):
        channels_of(long)


def test_a_mark_tells_settings_apart_but_no_secrets_and_no_host() -> None:
    given = {"kind": "smtp", "queue": QUEUE, "host": "relay.bank.example"}

    def mark(**more: Any) -> str:
        return channels_of(settings(a={**given, **more}))["a"].mark

    assert mark() == mark(threads=3, processes=2)
    assert len({mark(), mark(port=2525), mark(rate_per_second=5), mark(queue={"url": "https://q.example/a"})}) == 4


def test_the_channel_default_is_no_table_of_its_own() -> None:
    assert "described by [transport]" in told(default={"kind": "smtp", "queue": QUEUE})


@pytest.mark.parametrize("name", ["Statements", "1st", "", "a" * 33, "a b", "../x"])
def test_a_name_is_a_word(name: str) -> None:
    with pytest.raises(ValidationError):
        settings(**{name: {"kind": "smtp", "queue": QUEUE}})


def test_no_kind_has_a_setting_of_a_name_that_every_channel_has() -> None:
    for kind in kinds().values():
        assert not kind.settings.model_fields.keys() & ChannelSettings.model_fields.keys(), kind.name


@pytest.mark.parametrize(
    "text",
    [
        "credential:relay_password",
        "env:RELAY_PASSWORD",
        "aws-secret:arn:aws:secretsmanager:us-east-1:1:secret:relay-Ab12",
    ],
)
def test_a_reference_names_a_place(text: str) -> None:
    assert TypeAdapter(SecretReference).validate_python(text) == text


@pytest.mark.parametrize(
    "text", ["hunter22", "credential:../shadow", "credential:..", "env:A B", "aws-secret:relay", "file:/etc/passwd", ""]
)
def test_what_is_no_reference_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(SecretReference).validate_python(text)
    assert "not a reference" in str(caught.value)
    assert not text or text not in caught.value.errors()[0]["msg"]


def test_a_reference_leads_to_its_secret(tmp_path: Path) -> None:
    (tmp_path / "relay").write_text("s3cret\n")
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path), "RELAY": "from env"}
    asked: list[str] = []

    def aws_secret(arn: str) -> str:
        asked.append(arn)
        return "from aws"

    assert resolve("credential:relay", "channel.c.password", aws_secret, environ) == "s3cret"
    assert resolve("env:RELAY", "channel.c.password", aws_secret, environ) == "from env"
    assert resolve("aws-secret:arn:x", "channel.c.password", aws_secret, environ) == "from aws"
    assert asked == ["arn:x"]


@pytest.mark.parametrize("reference", ["credential:absent", "credential:empty", "env:ABSENT", "aws-secret:arn:x"])
def test_a_reference_that_leads_nowhere_says_which_setting(reference: str, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(ConfigError, match=r"channel\.c\.password"):
        resolve(reference, "channel.c.password", lambda _: "", {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    with pytest.raises(ConfigError, match=r"channel\.c\.password"):
        resolve(reference, "channel.c.password", lambda _: "", {})


MOST_LINES = 200
"""Of code of a kind, in its own package or folder (docs/channels.md)."""
SEND_BY_COURIER = """
import os, sys
from hashlib import sha256
from types import SimpleNamespace

from eed_delivery.errors import PermanentFailure
from eed_delivery.model import File, Files
from eed_delivery.transports.kind import kinds

def files(content):
    return Files(1, 1, (File("job-1/a b.pdf", content, "application/pdf", sha256(content).hexdigest()),))

kind = kinds()["courier"]
settings = kind.settings(url=sys.argv[1], token="env:TOKEN")
surroundings = SimpleNamespace(secret=lambda setting, reference: "hunter22")
print(*kind.check(settings, surroundings))
transport = kind.make(settings, surroundings)()
assert transport.wire_seconds == kind.longest_send(settings)
print(transport.settle(files(b"1")))
print(transport.send(files(b"1"), lambda: print("granted")).reply)
print(transport.send(files(b"1"), lambda: None).reply, transport.settle(files(b"1")).reply)
try:
    transport.send(files(b"2"), lambda: None)
except PermanentFailure as failure:
    print(failure.reply)
"""


def test_another_package_adds_a_kind(tmp_path: Path) -> None:
    """A package is installed, and its kind puts files; nothing of ours names it."""
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    copy = tmp_path / "source"
    copy.mkdir()
    for file in PLUGIN.iterdir():
        (copy / file.name.removesuffix(".txt")).write_text(file.read_text())
    subprocess.run([*install, "--target", str(tmp_path / "installed"), str(copy)], check=True, timeout=120)
    environ = {**os.environ, "PYTHONPATH": str(tmp_path / "installed")}
    with ScriptedHttp(COURIER_ANSWERS) as server:
        command = [sys.executable, "-c", SEND_BY_COURIER, server.url + "/bank"]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == [
        "the courier knows the token",
        "None",
        "granted",
        "put 1 file, 1 bytes",
        "put 1 file, 1 bytes put 1 file, 1 bytes",
        "document 'job-1/a b.pdf': the courier has one with other bytes, which stays",
    ], done.stderr
    assert [request.line.removesuffix(" HTTP/1.1") for request in server.requests][:3] == [
        "HEAD /bank/",
        "GET /bank/job-1/a%20b.pdf",
        "PUT /bank/job-1/a%20b.pdf",
    ]


COURIER_ANSWERS = [
    answer(200, b""),  # the check
    answer(404, b""),  # not there yet
    answer(201, b""),  # put
    *(answer(412, b""), answer(200, b"1")),  # put again
    answer(200, b"1"),  # settled
    *(answer(412, b""), answer(200, b"1")),  # other bytes
]


def lines_of(files: Iterable[Path]) -> int:
    """Lines of code: without blank ones, comments and docstrings."""
    return sum(len(lines_of_code(file.read_text())) for file in files)


def lines_of_code(text: str) -> set[int]:
    words = ast.walk(ast.parse(text))
    said = {n for one in words if is_text(one) for n in range(one.lineno, (one.end_lineno or 0) + 1)}
    lines = enumerate(text.splitlines(), 1)
    return {n for n, line in lines if line.strip() and not line.lstrip().startswith("#")} - said


def is_text(node: ast.AST) -> TypeGuard[ast.Expr]:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def test_a_kind_of_files_needs_few_lines() -> None:
    """SFTP needs more: paramiko's client is made stricter, and the host's key is pinned."""
    assert lines_of(PLUGIN.glob("*.py.txt")) <= MOST_LINES
    files = {name for name, kind in kinds().items() if kind.carries == "files"}
    folders = {name: lines_of((Path(transports.__path__[0]) / name).glob("*.py")) for name in files}
    assert [name for name, lines in folders.items() if lines > MOST_LINES] == ["sftp"]
