"""Fixtures for real servers. Each server is started once a session, and only if a test asks for it."""

import itertools
import os
from collections.abc import Iterator

import pytest
import structlog

from tests.servers.mariadb import MariaDb
from tests.servers.ministack import MiniStack

_numbers = itertools.count(1)


@pytest.fixture(scope="session", autouse=True)
def no_settings_from_outside() -> Iterator[None]:
    """No test may reach somebody's AWS account, or pass because of somebody's settings."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("AWS_", "EED_"))]:
            patch.delenv(name)
        patch.delenv("CREDENTIALS_DIRECTORY", raising=False)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        yield


@pytest.fixture(autouse=True)
def plain_logs() -> None:
    """Where a test has not set up our own logs, everything is logged, whatever the test before has set up. An exception
    is written plainly: with every local variable of every frame, as structlog would by default, it takes seconds, and
    leases run out meanwhile."""
    structlog.reset_defaults()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(),
        ]
    )


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDb]:
    """The session's MariaDB. A test that kills or stops a server starts one of its own instead."""
    server = MariaDb()
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def database_url(mariadb: MariaDb) -> Iterator[str]:
    """An empty database on MariaDB, for this test alone."""
    name = f"eed_{next(_numbers)}"
    yield mariadb.create_database(name)
    mariadb.drop_database(name)


@pytest.fixture(scope="session")
def ministack() -> Iterator[MiniStack]:
    """The session's SQS, SES and S3."""
    server = MiniStack()
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def queue_urls(ministack: MiniStack) -> tuple[str, str]:
    """A queue and its dead-letter queue, for this test alone."""
    return ministack.make_queue(f"eed-{next(_numbers)}")
