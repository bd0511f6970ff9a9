"""Settings under names of earlier releases do what they did, and say so."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from eed_delivery.config import Settings, load
from eed_delivery.errors import ConfigError

BASE = """
[database]
url = "mysql://eed@db.example.com/delivery"
[aws]
region = "us-east-1"
[queue]
url = "https://sqs.us-east-1.amazonaws.com/000000000000/q"
[rendering]
message_id_domain = "mail.example.com"
"""
Loaded = Callable[..., Settings]


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    def run(text: str = "", environ: Mapping[str, str] | None = None) -> Settings:
        file = tmp_path / "eed.toml"
        file.write_text(BASE + text)
        return load(file, environ or {})

    return run


def names(settings: Settings) -> list[tuple[str, str]]:
    return [(old.setting, old.now) for old in settings.old_names]


@pytest.mark.parametrize(
    ("text", "environ", "directory", "old"),
    [
        ("[transport]\nkind = 'eml_folder'", {}, "eml_folder", []),
        ("[transport]\nkind = 'eml_folder'\n[eml_folder]\ndirectory = 'd'", {}, "d", []),
        ("[transport]\nkind = 'outbox'", {}, "outbox", [('transport.kind = "outbox"', '"eml_folder"')]),
        (
            "[transport]\nkind = 'outbox'\n[outbox]\ndirectory = 'd'",
            {},
            "d",
            [("[outbox]", "[eml_folder]"), ('transport.kind = "outbox"', '"eml_folder"')],
        ),
        (
            "[transport]\nkind = 'eml_folder'",
            {"EED_OUTBOX__DIRECTORY": "v"},
            "v",
            [("EED_OUTBOX__DIRECTORY", "EED_EML_FOLDER__DIRECTORY")],
        ),
        (
            "[outbox]\ndirectory = 'd'",
            {"EED_TRANSPORT__KIND": "outbox", "eed_outbox__directory": "v"},
            "v",
            [
                ("[outbox]", "[eml_folder]"),
                ("eed_outbox__directory", "EED_EML_FOLDER__DIRECTORY"),
                ('transport.kind (from EED_TRANSPORT__KIND) = "outbox"', '"eml_folder"'),
            ],
        ),
        (
            "[transport]\nkind = 'eml_folder'",
            {"EED_OUTBOX": '{"directory": "v"}'},
            "v",
            [("EED_OUTBOX", "EED_EML_FOLDER")],
        ),
        (
            "[transport]\nkind = 'eml_folder'",
            {"EED_OUTBOX__DIRECTORY": "before", "EED_EML_FOLDER__DIRECTORY": "now"},
            "now",
            [("EED_OUTBOX__DIRECTORY", "EED_EML_FOLDER__DIRECTORY")],
        ),
    ],
)
def test_the_folder_of_emails_had_another_name(
    loaded: Loaded, text: str, environ: dict[str, str], directory: str, old: list[tuple[str, str]]
) -> None:
    settings = loaded(text, environ)
    assert (settings.transport.kind, str(settings.eml_folder.directory)) == ("eml_folder", directory)
    assert names(settings) == old


def test_a_kind_that_the_environment_replaces_is_not_reported(loaded: Loaded) -> None:
    settings = loaded("[transport]\nkind = 'outbox'", {"EED_TRANSPORT__KIND": "smtp"})
    assert (settings.transport.kind, names(settings)) == ("smtp", [])


@pytest.mark.parametrize(
    ("text", "environ", "problem"),
    [
        ("[outbox]\n[eml_folder]\n", {}, "outbox: it is the old name of [eml_folder], which is there too"),
        ("[outbox]\nfolder = 'd'\n", {}, "eml_folder.folder: there is no such setting"),
        ("", {"EED_OUTBOX__FOLDER": "d"}, "eml_folder.folder (from EED_OUTBOX__FOLDER): there is no such setting"),
        ("[transport]\nkind = ['outbox']", {}, "transport.kind"),
    ],
)
def test_a_mistake_under_an_old_name_is_found(loaded: Loaded, text: str, environ: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(text, environ)
    assert problem in str(caught.value)
