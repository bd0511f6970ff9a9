"""The servers that several files of contract tests share."""

from collections.abc import Iterator

import pytest

from tests.servers import openssh
from tests.servers.openssh import OpenSsh


@pytest.fixture(scope="session")
def sshd() -> Iterator[OpenSsh]:
    """The session's sshd. Its root is emptied by whoever has filled it."""
    if openssh.program() is None:
        pytest.skip("OpenSSH's sshd is not installed: python -m tests.servers.install")
    with OpenSsh() as server:
        yield server
