"""The archive in the configuration: a bare string or a table, in [transport] and in each channel."""

from pathlib import Path

import pytest

from eed_delivery.app.parts import App
from eed_delivery.config.archive import ArchiveSettings
from eed_delivery.config.load import load
from eed_delivery.errors import ConfigError

SOUND = {
    "EED_DATABASE__URL": "mysql+pymysql://eed@localhost/d",
    "EED_AWS__REGION": "us-east-2",
    "EED_QUEUE__URL": "https://sqs.us-east-2.amazonaws.com/123456789012/q",
    "EED_RENDERING__MESSAGE_ID_DOMAIN": "mail.example.com",
}
PLACE = "s3://bank-archive/emails"


def archive_of(tmp_path: Path, text: str) -> ArchiveSettings:
    file = tmp_path / "eed.toml"
    file.write_text(text)
    return load(file, SOUND).transport.archive


@pytest.mark.parametrize(
    "text",
    [
        f'[transport]\narchive = "{PLACE}"',
        f'[transport.archive]\nurl = "{PLACE}"',
        f'transport.archive.url = "{PLACE}"',
    ],
)
def test_a_bare_string_is_the_url(tmp_path: Path, text: str) -> None:
    assert archive_of(tmp_path, text) == ArchiveSettings(url=PLACE)


@pytest.mark.parametrize("name", ["EED_TRANSPORT__ARCHIVE", "EED_TRANSPORT__ARCHIVE__URL"])
def test_the_environment_can_set_it(name: str) -> None:
    assert load(None, SOUND | {name: PLACE}).transport.archive.url == PLACE


def test_a_channel_has_its_own_in_a_spool_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "eed.toml"
    file.write_text(
        f'[transport]\narchive = "/srv/archive"\n[channel.news]\nkind = "smtp"\nhost = "localhost"\ntls = "none"\n'
        f'queue = {{ url = "https://sqs.us-east-2.amazonaws.com/123456789012/news" }}\narchive = "{PLACE}"\n'
    )
    archives = App(load(file, SOUND)).archives
    assert {name: archive.url for name, archive in archives.of.items()} == {"default": "/srv/archive", "news": PLACE}
    assert {archives.spool(name).directory.name for name in archives.of} == {"default", "news"}


def test_without_one_there_is_none() -> None:
    assert App(load(None, SOUND)).archives.of == {}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"URL": "relative/path"}, "neither a place in S3 nor an absolute path"),
        ({"URL": "s3://B"}, "neither a place in S3 nor an absolute path"),
        ({"URL": PLACE, "OBJECT_LOCK_MODE": "compliance"}, "one of them is set"),
        ({"URL": PLACE, "OBJECT_LOCK_DAYS": "30"}, "one of them is set"),
        ({"URL": "/srv/archive", "KMS_KEY": "alias/x"}, "that is for an archive in S3"),
        ({"URL": "/srv/archive", "ENDPOINT_URL": "https://s3.example.com"}, "that is for an archive in S3"),
        ({"OBJECT_LOCK_MODE": "compliance", "OBJECT_LOCK_DAYS": "30"}, "that is for an archive in S3"),
        ({"URL": PLACE, "SPOOL_MAX_BYTES": "10"}, "too small"),
    ],
)
def test_a_mistake_is_told(given: dict[str, str], told: str) -> None:
    environ = {f"EED_TRANSPORT__ARCHIVE__{name}": value for name, value in given.items()}
    with pytest.raises(ConfigError, match=told) as refused:
        load(None, SOUND | environ)
    assert "transport.archive." in str(refused.value)
