"""The settings of channels that put files, as an operator writes them."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from eed_delivery.transports.kind import kinds

NEEDED: dict[str, dict[str, Any]] = {
    "s3": {"bucket": "bank-statements", "region": "eu-central-1"},
    "sftp": {
        "host": "sftp.partner.example",
        "host_key": "SHA256:" + "A" * 43,
        "username": "bank",
        "private_key": "credential:partner_key",
    },
    "ftp": {"host": "ftp.partner.example", "username": "bank", "password": "credential:partner_password"},
}

DOCUMENT = (Path(__file__).parents[2] / "docs" / "channels.md").read_text()
ROW = re.compile(r"^\| `([a-z_0-9]+)` \| (required|none|`[^`]*`) \|", re.MULTILINE)


def checked(kind: str, **changes: Any) -> Any:
    return kinds()[kind].settings(**(NEEDED[kind] | changes))


@pytest.mark.parametrize("kind", NEEDED)
def test_what_is_needed_is_enough(kind: str) -> None:
    settings = checked(kind)
    assert settings.path == "{{ job }}/{{ filename }}"
    assert settings.documents == ("attachments",)
    assert kinds()[kind].carries == "files"
    assert kinds()[kind].settings.model_json_schema()["properties"]["documents"]


@pytest.mark.parametrize("kind", NEEDED)
def test_one_document_or_several(kind: str) -> None:
    assert checked(kind, documents="eml").documents == ("eml",)
    assert checked(kind, documents=["html", "attachments"]).documents == ("html", "attachments")


@pytest.mark.parametrize(
    ("kind", "changes", "words"),
    [
        ("s3", {"bucket": "No_Bucket"}, "bucket"),
        ("s3", {"region": "nowhere"}, "not an AWS region"),
        ("s3", {"prefix": "/a/"}, "cannot stand before keys"),
        ("s3", {"prefix": "a"}, "cannot stand before keys"),
        ("s3", {"prefix": "a/../"}, "not a directory"),
        ("s3", {"object_lock_mode": "GOVERNANCE"}, "belong together"),
        ("s3", {"object_lock_days": 30}, "belong together"),
        ("s3", {"tags": {"aws:x": "1"}}, "not one that S3 takes"),
        ("s3", {"endpoint_url": "http://store.example"}, "store.example in clear text.*allow_clear_text"),
        ("sftp", {"host_key": "ssh-ed25519"}, "not a host key"),
        ("sftp", {"host_key": "ssh-ed25519 AAAA"}, "not of the kind before it"),
        ("sftp", {"host_key": "SHA256:abc"}, "not a host key"),
        ("sftp", {"private_key": None}, "exactly one of them is needed"),
        ("sftp", {"password": "env:PASSWORD"}, "exactly one of them is needed"),
        ("sftp", {"private_key": "-----BEGIN"}, "not a reference to a secret"),
        ("sftp", {"directory": "../other"}, "not a directory"),
        ("sftp", {"permissions": "rw-r-----"}, "permissions"),
        ("ftp", {"tls": "none"}, "ftp.partner.example in clear text.*allow_clear_text = true"),
        ("ftp", {"password": "secret"}, "not a reference to a secret"),
        ("ftp", {"directory": "a\r\nDELE b"}, "not a directory"),
        ("ftp", {"username": "a\r\nDELE b"}, "username"),
        ("ftp", {"documents": []}, "documents"),
        ("ftp", {"documents": "pdf"}, "documents"),
    ],
)
def test_a_mistake_is_named(kind: str, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=f"(?s){words}") as raised:
        checked(kind, **changes)
    assert "secret'" not in str(raised.value)


def test_clear_text_can_be_allowed_and_needs_nothing_on_this_host() -> None:
    assert checked("ftp", tls="none", allow_clear_text=True).tls == "none"
    assert checked("ftp", tls="none", host="127.0.0.1").tls == "none"
    assert checked("s3", endpoint_url="http://store.example", allow_clear_text=True).allow_clear_text


def test_without_paramiko_the_other_kinds_work_and_sftp_says_what_to_install() -> None:
    """In an interpreter of its own, in which the package cannot be imported."""
    program = (
        "import sys; sys.modules['paramiko'] = None\n"
        "from eed_delivery.transports.kind import kinds\n"
        f"settings = kinds()['sftp'].settings(**{NEEDED['sftp']})\n"
        "kinds()['sftp'].make(settings, None)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert "ConfigError: kind: the package paramiko is not installed. Install eed-delivery with the extra sftp." in (
        done.stderr
    )


def told(section: str) -> dict[str, str]:
    """The settings in the tables of a section, with their defaults."""
    return dict(ROW.findall(DOCUMENT.partition(f"\n{section}\n")[2].partition("\n#")[0]))


def as_toml(default: Any) -> str:
    """As the document has it."""
    if default is None:
        return "none"
    return f"`{str(default).lower()}`" if isinstance(default, bool) else f"`{json.dumps(default)}`"


@pytest.mark.parametrize("kind", NEEDED)
def test_the_document_has_each_setting_with_its_default(kind: str) -> None:
    fields = kinds()[kind].settings.model_fields
    rows = told("## Channels that put files") | told(f"### {kind}")
    assert rows.keys() == fields.keys()
    for name, field in fields.items():
        if field.is_required():
            assert rows[name] == "required", name
        elif name != "documents":  # one or several
            assert rows[name] == as_toml(field.get_default(call_default_factory=True)), name
