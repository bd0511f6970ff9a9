"""Channels by the pages and the API: listed, created from a form, checked, changed, held and removed."""

import json
import re
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from werkzeug.test import TestResponse

from eed_delivery.console.channel_forms import ChannelForm
from eed_delivery.operations.channel_settings import schema_of
from eed_delivery.operations.channels import ChannelKindView
from eed_delivery.operations.checks_at_once import TooManyChecks
from eed_delivery.transports.kind import kinds
from tests.integration.test_api import ACTS, LETTERS, outcome
from tests.operators_site import ROOT, Site
from tests.world import World

pytestmark = [pytest.mark.also_on_sqlite]
FORM = "application/x-www-form-urlencoded"
CREATE = "/channel-kinds/smtp/create"
QUEUE: dict[str, str] = LETTERS["queue"]  # type: ignore[assignment]
TYPED = {
    "name": "letters", "settings.host": "127.0.0.1", "settings.tls": "none", "do": "save",
    **{f"settings.queue.{name}": url for name, url in QUEUE.items()},
}  # fmt: skip
SECRET = "hunter2-hunter2"


@pytest.fixture
def site(world: World, tmp_path: Path) -> Site:
    world.add_job()
    world.enlist()
    return Site(world, tmp_path)


def post(site: Site, path: str, role: str = "admin", **fields: str) -> TestResponse:
    return site.ask("POST", path, urlencode(fields), media=FORM, role=role)


def text_of(answer: TestResponse) -> str:
    return unescape(re.sub(r"<[^>]+>", "", answer.text))


def stored(site: Site) -> Any:
    found = site.world.execute("SELECT settings, version FROM eed_channel WHERE name = 'letters'")
    return (json.loads(found[0][0]), found[0][1]) if found else None


# --- pages -----------------------------------------------------------------------------------------------------------


def test_a_channel_is_created_changed_held_released_and_removed_by_pages(site: Site) -> None:
    assert f'href="{CREATE}"' in site.ask("GET", "/channel-kinds").text
    assert 'name="settings.host"' in site.ask("GET", CREATE).text
    done = post(site, CREATE, **TYPED)
    assert (done.status_code, done.headers["Location"]) == (303, "/channels/letters")
    assert stored(site) == (LETTERS, 1)
    page = site.ask("GET", "/channels/letters", role="viewer")
    assert "made by token admin" in text_of(page)
    assert "queue.url" in page.text
    assert "Change it" not in page.text

    form = site.ask("GET", "/channels/letters/edit").text
    assert 'name="version" value="1"' in form
    assert 'value="127.0.0.1"' in form
    changed = post(site, "/channels/letters/edit", version="1", **{**TYPED, "settings.threads": "3"})
    assert changed.status_code == 303
    assert stored(site) == ({**LETTERS, "threads": "3"}, 2)
    late = post(site, "/channels/letters/edit", version="1", **{**TYPED, "settings.threads": "4"})
    assert late.status_code == 412
    assert "Another person has changed it" in late.text
    assert 'name="version" value="2"' in late.text
    assert 'name="settings.threads" value="4"' in late.text

    held = post(site, "/channels/letters/hold", "operator", reason="their server moves", ends="3600")
    assert held.status_code == 303
    assert site.world.scalar("SELECT until_at IS NOT NULL FROM eed_hold")
    assert "their server moves" in text_of(site.ask("GET", "/channels", role="viewer"))
    assert "Release it" in site.ask("GET", "/channels/letters", role="operator").text
    assert post(site, "/channels/letters/release", "operator").status_code == 303
    assert post(site, "/channels/letters/release", "operator").status_code == 409

    assert "Type letters to confirm." in post(site, "/channels/letters/remove", confirmation="no").text
    assert post(site, "/channels/letters/remove", confirmation="letters").status_code == 303
    assert stored(site) is None


def test_each_mistake_stands_beside_its_field_and_what_was_typed_stays(site: Site) -> None:
    wrong = {**TYPED, "settings.port": "ninety", "settings.helo_name": "mail.example.com"}
    answer = post(site, CREATE, **wrong)
    assert answer.status_code == 422
    assert 'id="settings.port-error"' in answer.text
    assert 'href="#settings.port"' in answer.text
    assert 'name="settings.helo_name" value="mail.example.com"' in answer.text
    assert stored(site) is None
    for fields, where in (
        ({"name": "Letters!"}, "name"),
        ({"name": "default"}, "name"),
        ({"settings.queue.url": ""}, "settings.queue.url"),
        ({"settings.tls": "perhaps"}, "settings.tls"),
    ):
        answer = post(site, CREATE, **{**TYPED, **fields})
        assert answer.status_code == 422, fields
        assert f'id="{where}-error"' in answer.text, fields


@pytest.mark.parametrize("text", ["[1,", "[" * 3000], ids=["cut off", "too deep"])
def test_what_begins_like_json_and_is_none_is_refused_beside_its_field(site: Site, text: str) -> None:
    answer = post(site, "/channel-kinds/s3/create", name="files", do="save", **{"settings.tags": text})
    assert answer.status_code == 422
    assert 'id="settings.tags-error"' in answer.text
    assert "It begins like JSON, and is none." in answer.text


def test_a_template_is_a_text_also_where_it_begins_with_a_brace(site: Site) -> None:
    template = "{{ job }}/{{ filename }}.pdf"
    typed = {"bucket": "copies", "region": "us-east-1", "path": template}
    typed |= {f"queue.{name}": url for name, url in QUEUE.items()}
    fields = {f"settings.{name}": text for name, text in typed.items()}
    assert post(site, "/channel-kinds/s3/create", name="letters", do="save", **fields).status_code == 303
    assert stored(site)[0]["path"] == template


def test_a_form_that_comes_back_keeps_the_version_that_was_seen(site: Site) -> None:
    """Another person's change in between is not replaced unseen."""
    path, theirs = "/channels/letters/edit", {**TYPED, "settings.threads": "3"}
    assert post(site, CREATE, **TYPED).status_code == 303
    assert post(site, path, **theirs, version="1").status_code == 303
    for fields in ({"do": "check"}, {"settings.port": "ninety"}):
        answer = post(site, path, **{**TYPED, **fields}, version="1")
        assert 'name="version" value="1"' in answer.text, fields
    assert post(site, path, **TYPED, version="1").status_code == 412
    assert stored(site) == ({**LETTERS, "threads": "3"}, 2)


def test_a_secret_that_was_typed_is_refused_and_is_on_no_page(site: Site) -> None:
    answer = post(site, CREATE, **{**TYPED, "settings.password": SECRET, "settings.username": "mail"})
    assert answer.status_code == 422
    assert 'id="settings.password-error"' in answer.text
    assert SECRET not in answer.text
    status, problem = site.problem(
        "POST", "/api/v1/channels", {"name": "x", "settings": {**LETTERS, "password": SECRET}}
    )
    assert status == 422
    assert SECRET not in json.dumps(problem)


AWS_SECRET = "aws-secret:arn:aws:secretsmanager:us-east-1:123456789012:secret:"


@pytest.mark.parametrize(
    ("reference", "what", "code"),
    [
        ("env:EED_DATABASE__URL", "is a variable of the service itself", 78),
        ("env:AWS_SECRET_ACCESS_KEY", "is a variable of the service itself", 78),
        ("env:PATH", "variable PATH is not one of security.channel_variables", 78),
        (f"{AWS_SECRET}eed/database-AbCdEf", "secret is not one of security.channel_secrets (eed-channel/*)", 78),
        (f"{AWS_SECRET}eed/eed-channel/x-AbCdEf", "secret is not one of security.channel_secrets", 78),
        ("credential:smtp_password", "a secret of the service itself", 0),
    ],
)
def test_no_channel_gets_a_secret_that_is_not_for_channels(site: Site, reference: str, what: str, code: int) -> None:
    """Its host would get it. On the command line, only variables are refused."""
    answer = post(site, CREATE, **{**TYPED, "settings.password": reference, "settings.username": "mail"})
    assert answer.status_code == 422
    assert what in answer.text
    settings = {**LETTERS, "username": "mail", "password": reference}
    assert site.problem("POST", "/api/v1/channels", {"name": "x", "settings": settings})[0] == 422
    assert site.problem("POST", "/api/v1/channels/x/check", {"settings": settings})[0] == 422
    by_command = site.cli("channel", "create", "x", "--settings", "-", stdin=json.dumps(settings))
    assert by_command.exit_code == code, by_command.output
    assert (what in by_command.stderr) == (code != 0)


def test_a_channel_may_name_a_secret_of_aws_that_is_for_channels(site: Site) -> None:
    for n, name in enumerate(("eed-channel/relay-AbCdEf", "eed-channel/relay-AbCdEf:password::", "eed-channel/relay")):
        settings = {**LETTERS, "username": "mail", "password": f"{AWS_SECRET}{name}"}
        site.json("POST", "/api/v1/channels", {"name": f"c{n}", "settings": settings})
        site.json("DELETE", f"/api/v1/channels/c{n}")


def test_a_channel_that_names_a_variable_which_a_host_does_not_allow_is_unusable_there(
    world: World, tmp_path: Path
) -> None:
    """The list is that of each host, and a row of the ledger may be older than it."""
    site = Site(world, tmp_path, '[security]\nchannel_variables = ["PARTNER_A", "RELAY_*"]\n')
    for name, variable, status in (("a", "PARTNER_A", 200), ("b", "RELAY_B", 200), ("c", "PARTNER_AB", 422)):
        urls = {one: f"http://127.0.0.1:9/0/{name}-{one}" for one in ("url", "dead_letter_url")}
        settings = {**LETTERS, "username": "mail", "password": f"env:{variable}", "queue": urls}
        answer = site.ask("POST", "/api/v1/channels", {"name": name, "settings": settings}, Idempotency_Key=name)
        assert answer.status_code == status, answer.text
    (tmp_path / "other").mkdir()
    other = Site(world, tmp_path / "other", "[security]\nchannel_variables = []\n")
    for name in ("a", "b"):
        problem = other.json("GET", f"/api/v1/channels/{name}", token=site.token("admin"))["problem"]
        assert "is not one of security.channel_variables (none)" in problem
        assert "name it there on every host" in problem
        assert f"error    channel {name}" in other.cli("check").stdout, "an upgrade is refused where it would stop"


def test_pages_and_api_let_no_channel_have_a_secret_of_a_channel_of_the_file(world: World, tmp_path: Path) -> None:
    queue = '{ url = "https://sqs.us-east-1.amazonaws.com/0/f", dead_letter_url = "https://127.0.0.1/0/f-dead" }'
    more = f"""[channel.partner]
kind = "smtp"
host = "127.0.0.1"
username = "mail"
password = "env:CHANNEL_PARTNER"
tls = "none"
queue = {queue}
"""
    site = Site(world, tmp_path, more)
    for name, status in (("env:CHANNEL_PARTNER", 422), ("env:CHANNEL_PARTNER2", 200)):
        settings = {**LETTERS, "username": "mail", "password": name}
        answer = site.ask("POST", "/api/v1/channels", {"name": "x", "settings": settings}, Idempotency_Key=name)
        assert answer.status_code == status, answer.text


def test_no_more_than_two_channels_are_checked_at_once_by_all_callers(site: Site) -> None:
    site.json("POST", "/api/v1/channels", {"name": "x", "settings": LETTERS})
    shared = site.operations.by(ROOT)._channel_checks
    assert shared is site.operations._channel_checks
    with shared.one(), shared.one(), pytest.raises(TooManyChecks, match="Try again"):
        site.operations.channels.check("x")
    assert site.operations.channels.check("x")


def test_settings_that_are_too_long_are_refused(site: Site) -> None:
    settings = {**LETTERS, "username": "x" * 100_000, "password": "env:CHANNEL_RELAY"}
    status, problem = site.problem("POST", "/api/v1/channels", {"name": "x", "settings": settings})
    assert (status, "longer than" in str(problem)) == (422, True)


def test_a_check_before_saving_saves_nothing(site: Site) -> None:
    folder = {"kind": "eml_folder", "directory": str(site.cli.emails), "queue": {"create": "true"}}
    typed = {
        "name": "look", "do": "check", "settings.directory": folder["directory"], "settings.queue.create": "true",
    }  # fmt: skip
    answer = post(site, "/channel-kinds/eml_folder/create", **typed)
    assert answer.status_code == 200
    assert "files can be written to" in text_of(answer)
    assert "its queues are made when it is saved" in text_of(answer)
    assert "Nothing is saved yet." in answer.text
    found = site.json("POST", "/api/v1/channels/look/check", {"settings": folder})["items"]
    assert [one["level"] for one in found] == ["ok", "ok"]
    assert site.problem("POST", "/api/v1/channels/look/check", {"settings": folder}, role="operator")[0] == 403
    said = site.cli.good("channel", "create", "look", "--settings", "-", "--dry-run", stdin=json.dumps(folder))
    assert "files can be written to" in said
    assert site.world.execute("SELECT name FROM eed_channel") == []
    assert site.world.execute("SELECT act FROM eed_audit WHERE act LIKE 'channel%'") == [("channel_trial",)] * 3


def test_a_channel_of_the_file_is_only_read_and_one_with_jobs_is_not_removed(site: Site) -> None:
    page = site.ask("GET", "/channels/default")
    assert "the configuration file" in page.text
    assert "Remove it" not in page.text
    assert site.ask("GET", "/channels/default/edit").status_code == 409
    assert site.problem("DELETE", "/api/v1/channels/default")[0] == 409
    post(site, CREATE, **TYPED)
    site.world.execute("UPDATE eed_job SET channel = 'letters'")
    answer = post(site, "/channels/letters/remove", confirmation="letters")
    assert answer.status_code == 409
    assert "1 unfinished jobs name the channel letters" in answer.text
    assert stored(site) is not None
    assert site.ask("GET", "/channels/nowhere").status_code == 404
    assert site.ask("GET", "/channel-kinds/pigeon/create").status_code == 404


@pytest.mark.parametrize("kind", kinds())
def test_a_form_has_each_setting_of_its_kind_and_gives_back_what_it_shows(kind: str) -> None:
    found = kinds()[kind]
    form = ChannelForm(ChannelKindView(kind, found.title, found.carries, schema_of(found)))
    names = {field.name for field in form.fields}
    assert {f"settings.{name}" for name in ("queue.url", "archive.url", "rate_per_second")} <= names
    assert {f"settings.{name}" for name in found.settings.model_fields} <= names
    settings = {"kind": kind, "queue": {"create": True}, "threads": 3, "archive": "s3://bucket/copies"}
    back, errors = form.settings({**form.shown(settings), **{f.name: "x" for f in form.fields if f.required}})
    assert errors == []
    assert back["queue"] == {"create": "true"}
    assert (back["threads"], back["archive"]) == ("3", {"url": "s3://bucket/copies"})


# --- API -------------------------------------------------------------------------------------------------------------


def test_a_key_is_free_again_after_settings_that_were_wrong(site: Site) -> None:
    wrong = {"name": "letters", "settings": {**LETTERS, "threads": "many"}}
    assert site.problem("POST", "/api/v1/channels", wrong, Idempotency_Key="k")[0] == 422
    right = {"name": "letters", "settings": LETTERS}
    assert site.json("POST", "/api/v1/channels", right, Idempotency_Key="k")["version"] == 1


def test_the_api_changes_a_channel_as_it_was_seen(site: Site) -> None:
    path, body = "/api/v1/channels/letters", {"settings": {**LETTERS, "threads": 3}}
    made = site.json("POST", "/api/v1/channels", {"name": "letters", "settings": LETTERS}, Idempotency_Key="k")
    assert site.json("POST", "/api/v1/channels", {"name": "letters", "settings": LETTERS}, Idempotency_Key="k") == made
    assert (made["settings"], made["made_by"], made["version"]) == (LETTERS, "token admin", 1)
    assert site.problem("PUT", path, body)[0] == 428
    seen = site.ask("GET", path).headers["ETag"]
    assert site.json("PUT", path, body, If_Match=seen)["version"] == 2
    for etag in (seen, '"7.0123456789abcdef"', f'"{"9" * 32}.0123456789abcdef"', '"x.0123456789abcdef"', "x"):
        status, problem = site.problem("PUT", path, body, If_Match=etag)
        assert (status, problem["type"]) == (412, "urn:eed-delivery:problem:changed"), etag
    assert {one["name"] for one in site.json("GET", "/api/v1/channel-kinds")["items"]} == set(kinds())
    assert site.json("DELETE", path)["queues"] == list(QUEUE.values())
    assert site.problem("DELETE", path)[0] == 404


# --- the same from each surface --------------------------------------------------------------------------------------

BY_PAGE: dict[str, tuple[str, dict[str, str]]] = {
    "channel_create": (CREATE, TYPED),
    "channel_edit": ("/channels/letters/edit", {**TYPED, "settings.host": "localhost", "version": "1"}),
    "channel_remove": ("/channels/letters/remove", {"confirmation": "letters"}),
    "channel_hold": ("/channels/default/hold", {"reason": "r"}),
    "channel_release": ("/channels/default/release", {}),
}


@pytest.mark.parametrize("act", BY_PAGE)
def test_a_page_does_the_same_as_the_api_and_leaves_the_same_row_in_the_audit(site: Site, act: str) -> None:
    before, _, method, path, body, headers = ACTS[act]
    by_api = outcome(site, act, before, lambda: site.json(method, path, body, **headers))
    page, fields = BY_PAGE[act]

    def by_page() -> None:
        answer = post(site, page, **fields)
        assert answer.status_code == 303, answer.text

    assert outcome(site, act, before, by_page) == by_api
    assert len(by_api[1]) == 1
    assert site.world.execute("SELECT surface, command FROM eed_audit WHERE act = :act", act=act) == [
        ("page", f"POST {page}")
    ]
