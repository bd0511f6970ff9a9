"""What is handed to the transport: the digest that an auditor computes from the bytes that arrived."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eed_delivery.model import File, Files, Rendered
from eed_delivery.worker.handover import digest_of


def rendered(content: bytes) -> Rendered:
    return Rendered(1, 0, "a@b", "c@d", "<1.0@b>", content)


@pytest.mark.parametrize("size", [0, 1, 2046, 2047, 2048, 2 * 2047, 80 * 1024])
def test_an_emails_digest_is_that_of_all_its_bytes(size: int) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    assert digest_of(rendered(content[:size])) == hashlib.sha256(content[:size]).digest()


@given(st.binary(max_size=10_000))
def test_it_is_that_of_any_bytes(content: bytes) -> None:
    assert digest_of(rendered(content)) == hashlib.sha256(content).digest()


def test_of_files_it_is_that_of_the_lines_of_sha256sum() -> None:
    files = tuple(File(path, b"x", "text/plain", hashlib.sha256(path.encode()).hexdigest()) for path in ("a/1", "a/2"))
    lines = "".join(f"{hashlib.sha256(path.encode()).hexdigest()}  {path}\n" for path in ("a/1", "a/2"))
    assert digest_of(Files(1, 0, files)) == hashlib.sha256(lines.encode()).digest()
