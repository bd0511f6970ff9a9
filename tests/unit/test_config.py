"""Loading the configuration: where values come from, and how mistakes are told."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eed_delivery.config import Settings, SmtpSettings, Supervision, load, normalise_region, supervision
from eed_delivery.errors import ConfigError
from eed_delivery.links.tokens import Links

GOOD = """
[database]
url = "mysql+pymysql://eed@db.example/delivery"
[aws]
region = "us-east-2"
[queue]
url = "https://sqs.us-east-2.amazonaws.com/123456789012/eed"
[rendering]
message_id_domain = "mail.example.com"
"""


@pytest.fixture
def loaded(tmp_path: Path) -> Any:
    def run(text: str = "", environ: Mapping[str, str] | None = None, base: str = GOOD) -> Settings:
        path = tmp_path / "eed.toml"
        path.write_text(merged(base, text))
        return load(path, environ or {})

    return run


def merged(base: str, text: str) -> str:
    """`text`, whose sections continue those of `base`."""
    for section in ("database", "aws", "queue", "rendering"):
        header = f"[{section}]\n"
        if text.startswith(header) or f"\n{header}" in text:
            head, _, rest = text.partition(header)
            body, bracket, tail = rest.partition("\n[")
            base = base.replace(header, f"{header}{body}\n")
            text = head + bracket.lstrip("\n") + tail
    return base + text


@pytest.fixture
def problems(loaded: Any) -> Any:
    def run(*arguments: Any, **named: Any) -> dict[str, str]:
        with pytest.raises(ConfigError) as caught:
            loaded(*arguments, **named)
        return {problem.where: f"{problem.what}. {problem.remedy}" for problem in caught.value.problems}

    return run


def test_a_small_file_is_enough(loaded: Any) -> None:
    settings = loaded()
    assert settings.queue.url.endswith("/eed")
    assert settings.worker.threads == "auto"
    assert settings.source.job.table == "delivery_job"
    assert settings.transport.rate_per_second == 0


def test_variables_win_over_credentials_and_those_over_the_file(loaded: Any, tmp_path: Path) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "database_url").write_text("mysql://a@host/from_credential\n")
    environ = {"CREDENTIALS_DIRECTORY": str(credentials)}
    assert loaded("", environ).database.sqlalchemy_url().database == "from_credential"
    environ["EED_DATABASE__URL"] = "mysql://a@host/from_variable"
    assert loaded("", environ).database.sqlalchemy_url().database == "from_variable"


def test_the_environment_alone_is_enough() -> None:
    settings = load(
        None,
        {
            "EED_DATABASE__URL": "jdbc:mysql://db.example/x?user=u&password=hunter2",
            "EED_AWS__REGION": "EU_CENTRAL_1",
            "EED_QUEUE__URL": "http://127.0.0.1:4566/000000000000/q",
            "EED_RENDERING__MESSAGE_ID_DOMAIN": "example.com",
            "EED_RENDERING__ATTACHMENTS_S3": '["s3://bucket/prefix"]',
            "EED_SOURCE__EMAIL__STATUSES__PENDING": '["NEW", "RETRY"]',
            "EED_SOURCE__EMAIL__VARIABLE_COLUMNS": '{"name": "full_name"}',
            "EED_TRANSPORT__RATE_PER_SECOND": "12.5",
            "eed_worker__threads": "3",
            "PATH": "/bin",
        },
    )
    assert settings.aws.region == "eu-central-1"
    assert settings.rendering.attachments_s3 == ("s3://bucket/prefix",)
    assert settings.source.email.statuses.pending == ("NEW", "RETRY")
    assert settings.source.email.variable_columns == {"name": "full_name"}
    assert settings.transport.rate_per_second == 12.5
    assert settings.worker.threads == 3


def test_eed_config_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "eed.toml"
    path.write_text(GOOD)
    assert load(None, {"EED_CONFIG": str(path)}).aws.region == "us-east-2"


def test_the_processs_own_environment_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "eed.toml"
    path.write_text(GOOD)
    monkeypatch.setenv("EED_WORKER__THREADS", "2")
    assert load(path).worker.threads == 2


def test_settings_made_directly_read_nothing(loaded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = loaded()
    monkeypatch.setenv("EED_SMTP__HOST", "elsewhere.example")
    monkeypatch.setenv("SMTP", '{"host": "elsewhere.example"}')
    again = Settings(**{name: getattr(settings, name) for name in ("database", "aws", "queue", "rendering")})
    assert again.smtp == SmtpSettings()


def test_every_mistake_is_told_at_once(problems: Any) -> None:
    told = problems(
        '[worker]\nthreads = "many"\nmax_attempts = 12\nlease_seconds = 0\n[logs]\nlevel = "loud"\n[wroker]\na = 1\n'
        '[source.job]\ntabel = "x"\nkey_type = "uuid"\n',
        {"EED_QUEUE__WAIT_SECONDS": "21", "EED_QEUE__URL": "x", "EED_WORKER__PROCESES": "1"},
    )
    assert told == {
        "worker.threads": (
            "'many' is not a number of threads. Give a whole number, 1 to 256, or \"auto\" for as many as are worth it."
        ),
        "worker.lease_seconds": "0 is too small. Give more than 0.",
        "logs.level": "'loud' is not one of the choices. Give 'debug', 'info', 'warning' or 'error'.",
        "wroker": "there is no such setting. Did you mean worker?",
        "source.job.tabel": "there is no such setting. Did you mean source.job.table?",
        "source.job.key_type": "'uuid' is not one of the choices. Give 'integer' or 'string'.",
        "queue.wait_seconds (from EED_QUEUE__WAIT_SECONDS)": "the value is too large. Give 20 or less.",
        "EED_QEUE__URL": "there is no such setting. Did you mean EED_QUEUE__URL?",
        "worker.proceses (from EED_WORKER__PROCESES)": "there is no such setting. Did you mean worker.processes?",
        "worker.max_attempts and queue.max_receive_count": (
            "12 is not less than 10. Attempts must end before the queue moves a message to the dead-letter queue. "
            "Lower the attempts, or raise maxReceiveCount on the queue and here."
        ),
    }


def test_what_is_missing_is_named_one_by_one(problems: Any) -> None:
    told = problems(base="")
    assert set(told) == {"database.url", "aws.region", "queue.url", "rendering.message_id_domain"}
    assert told["database.url"] == "it is not set. Set it in the file, or as EED_DATABASE__URL."


def test_a_clash_with_a_faulty_value_is_not_told(problems: Any) -> None:
    assert set(problems('[worker]\nlease_seconds = 500\n[queue]\nvisibility_timeout_seconds = "x"\n')) == {
        "queue.visibility_timeout_seconds"
    }


def test_a_setting_in_the_wrong_section_is_sent_home(problems: Any) -> None:
    assert problems("[worker]\nchunk = 3\n") == {
        "worker.chunk": "there is no such setting. It is a setting of [publisher]."
    }
    assert "Known here are level." in problems("[logs]\nzzz = 3\n")["logs.zzz"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("worker = 3", {"worker": "3 is not a section. Write it as a [section] with its settings below."}),
        ("[rendering]\nattachments_s3 = 's3://x-bucket'", {"rendering.attachments_s3"}),
        ("[rendering]\nattachments_s3 = ['nope']", {"rendering.attachments_s3.0"}),
        ("[rendering]\nlist_unsubscribe = 'https://example.com/u'", {"rendering.list_unsubscribe"}),
        ("[rendering]\nenvelope_sender = 'Anna <a@example.com>'", {"rendering.envelope_sender"}),
        ("[rendering]\nmax_attachment_bytes = 1.5", {"rendering.max_attachment_bytes"}),
        ("[rendering]\nattachments_root = 3", {"rendering.attachments_root"}),
        ("[smtp]\nhost = 'a b'", {"smtp.host"}),
        ("[smtp]\nhelo_name = '[127.0.0.300]'", {"smtp.helo_name"}),
        ("[smtp]\nconnect_timeout_seconds = inf", {"smtp.connect_timeout_seconds"}),
        ("[ses]\nconfiguration_set = 'a b'", {"ses.configuration_set"}),
        ("[ses]\nendpoint_url = 'localhost:4566'", {"ses.endpoint_url"}),
        ("[queue]\nendpoint_url = 'http://['", {"queue.endpoint_url"}),
        ("[queue]\ndead_letter_url = 'https://sqs.us-east-2.amazonaws.com/1/q.fifo'", {"queue.dead_letter_url"}),
        ("[queue]\ndead_letter_url = 'https://sqs.us-east-2.amazonaws.com/'", {"queue.dead_letter_url"}),
        ("[transport]\nrate_per_second = 'fast'", {"transport.rate_per_second"}),
        ("[transport]\nrate_per_second = -1", {"transport.rate_per_second"}),
        ("[transport]\nrate_per_second = true", {"transport.rate_per_second"}),
        ("[source]\nsingle_table = 'perhaps'", {"source.single_table"}),
        ("[service]\nstop_seconds = 90", {"service.stop_seconds"}),
    ],
)
def test_values_of_the_wrong_form(problems: Any, text: str, expected: Any) -> None:
    base = f"{text}\n{GOOD}" if text.startswith("worker") else GOOD
    told = problems("" if base != GOOD else text, base=base)
    assert (told if isinstance(expected, dict) else set(told)) == expected


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("[worker]\nlease_seconds = 120", "worker.lease_seconds and queue.visibility_timeout_seconds"),
        ("[worker]\nheartbeat_seconds = 60", "worker.heartbeat_seconds and worker.lease_seconds"),
        (
            "[publisher]\npoll_seconds = 5\njob_lease_seconds = 5",
            "publisher.poll_seconds and publisher.job_lease_seconds",
        ),
        (
            "[worker]\nsend_lease_seconds = 660",
            "worker.send_lease_seconds and smtp.command_timeout_seconds and smtp.data_timeout_seconds",
        ),
        (
            "[transport]\nkind = 'ses'\n[worker]\nsend_lease_seconds = 65",
            "worker.send_lease_seconds and ses.connect_timeout_seconds and ses.read_timeout_seconds",
        ),
        (
            "[worker]\nretry_delay_seconds = 9\nretry_max_delay_seconds = 8",
            "worker.retry_delay_seconds and worker.retry_max_delay_seconds",
        ),
        ("[worker]\nsame_answer_limit = 201", "worker.same_answer_limit and worker.same_answer_window"),
        (
            "[service]\nstall_seconds = 660",
            "service.stall_seconds and smtp.command_timeout_seconds and smtp.data_timeout_seconds",
        ),
        ("[sweeper]\ninterval_seconds = 1800", "sweeper.interval_seconds and service.stall_seconds"),
        (
            "[queue]\ndead_letter_url = 'https://sqs.us-east-2.amazonaws.com/123456789012/eed'",
            "queue.dead_letter_url and queue.url",
        ),
        (
            "[queue]\ndead_letter_url = 'https://sqs.eu-west-1.amazonaws.com/123456789012/dead'",
            "queue.dead_letter_url and aws.region",
        ),
        (
            "[tracking]\nevents_queue_url = 'https://sqs.us-east-2.amazonaws.com/123456789012/eed'",
            "tracking.events_queue_url and queue.url",
        ),
        (
            "[tracking]\nevents_queue_url = 'https://sqs.eu-west-1.amazonaws.com/123456789012/events'",
            "tracking.events_queue_url and aws.region",
        ),
        ("[worker]\ndoubt = 'reconcile'", "worker.doubt and tracking.events_queue_url"),
        ("[aws]\ncredentials = 'environment'", "aws.credentials and aws.access_key_id and aws.secret_access_key"),
        ("[transport]\nrate_per_second = 'ses'", "transport.rate_per_second and transport.kind"),
        ("[smtp]\nusername = 'u'", "smtp.username and smtp.password"),
        ("[bounces]\naddress = 'bounces.example.com'", "bounces.address and bounces.secret"),
        ("[bounces]\nlisten = '127.0.0.1:2424'", "bounces.listen and bounces.address"),
        ("[web]\nlisten = '127.0.0.1:8025'", "web.listen and web.base_url"),
        ("[web]\nunsubscribe = 'every'", "web.unsubscribe and web.base_url"),
        ("[source.job]\ntrack_opens = 'wants_opens'", "source.job.track_opens and web.base_url"),
        ("[source.job]\ntrack_opens_value = true", "source.job.track_opens_value and web.base_url"),
        ("[source.job]\ntrack_clicks = 'wants_clicks'", "source.job.track_clicks and web.base_url"),
        ("[source.job]\ntrack_clicks_value = true", "source.job.track_clicks_value and web.base_url"),
        ("[web]\nbase_url = 'https://l.example.com'", "web.base_url and web.secret"),
        (
            "[watch]\nbounces_warn_percent = 11",
            "watch.bounces_warn_percent and watch.bounces_pause_percent",
        ),
        (
            "[watch]\ncomplaints_pause_percent = 0.05",
            "watch.complaints_warn_percent and watch.complaints_pause_percent",
        ),
        ("[smtp]\ntls = 'none'\nca_file = '/ca.pem'", "smtp.tls and smtp.ca_file"),
        (
            "[rendering]\nmax_attachment_bytes = 20000000",
            "rendering.max_attachment_bytes and rendering.max_message_bytes",
        ),
        (
            "[transport]\nkind = 'ses'\n[rendering]\nmax_message_bytes = 50000000",
            "rendering.max_message_bytes and transport.kind",
        ),
    ],
)
def test_settings_that_do_not_go_together(problems: Any, text: str, keys: str) -> None:
    assert list(problems(text)) == [keys]


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"EED_DATABASE__URL": "jdbc:mysql://db/x?useSSL=false", "EED_DATABASE__CA_FILE": "/ca.pem"}, "turns TLS off"),
        ({"EED_DATABASE__URL": "jdbc:mysql://db/x?sslMode=VERIFY_CA"}, "names no CA"),
        (
            {"EED_DATABASE__URL": "mysql://db/x?ssl_verify_cert=false", "EED_DATABASE__CA_FILE": "/ca.pem"},
            "ssl_verify_cert would turn off",
        ),
        (
            {"EED_DATABASE__URL": "mysql://db/x?ssl_check_hostname=no", "EED_DATABASE__CA_FILE": "/ca.pem"},
            "ssl_check_hostname would turn off",
        ),
        (
            {
                "EED_DATABASE__URL": "jdbc:mysql://db/x?useSSL=true&verifyServerCertificate=false",
                "EED_DATABASE__CA_FILE": "/ca.pem",
            },
            "verifyServerCertificate would turn off",
        ),
        ({"EED_DATABASE__URL": "mysql://db/x?ssl_ca=/a.pem", "EED_DATABASE__CA_FILE": "/ca.pem"}, "both name a CA"),
        ({"EED_DATABASE__URL": "jdbc:mysql://db/x?useSSL=false"}, "in clear text"),
        ({"EED_DATABASE__URL": "mysql://db/x?ssl_disabled=true"}, "in clear text"),
        ({"EED_DATABASE__URL": "sqlite://", "EED_DATABASE__PASSWORD": "hunter2"}, "neither passwords nor TLS"),
    ],
)
def test_database_settings_that_do_not_go_together(problems: Any, environ: dict[str, str], expected: str) -> None:
    told = problems("", environ)
    assert len(told) == 1
    assert expected in "".join(told.values())
    assert "hunter2" not in str(told)


def test_a_list_in_a_variable_that_is_not_json_is_told_with_the_rest(problems: Any) -> None:
    told = problems("", {"EED_RENDERING__ATTACHMENTS_S3": "s3://bucket", "EED_WORKER__THREADS": "x"})
    assert set(told) == {
        "rendering.attachments_s3 (from EED_RENDERING__ATTACHMENTS_S3)",
        "worker.threads (from EED_WORKER__THREADS)",
    }
    assert 'Give a list, like ["a", "b"]' in "".join(told.values())


def test_a_folder_needs_no_longer_lease_than_any(loaded: Any) -> None:
    assert loaded("[transport]\nkind = 'eml_folder'\n[worker]\nsend_lease_seconds = 1\n").worker.send_lease_seconds == 1


@pytest.mark.parametrize(
    ("text", "place"),
    [("127.0.0.1:2424", ("127.0.0.1", 2424)), ("[::1]:24", ("::1", 24)), ("0.0.0.0:1", ("0.0.0.0", 1))],
)
def test_where_bounces_are_listened_for(loaded: Any, text: str, place: tuple[str, int]) -> None:
    environ = {"EED_BOUNCES__ADDRESS": "bounces.example.com", "EED_BOUNCES__SECRET": "x" * 32}
    assert loaded(f"[bounces]\nlisten = '{text}'", environ).bounces.place() == place


@pytest.mark.parametrize(
    "text", ["2424", ":2424", "localhost:2424", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "::1", ""]
)
def test_what_is_no_place_to_listen_at(problems: Any, text: str) -> None:
    assert "is not an IP address and a port" in problems(f"[bounces]\nlisten = '{text}'")["bounces.listen"]


WEB = {"EED_WEB__SECRET": "x" * 32}


@pytest.mark.parametrize(
    "url",
    [
        "http://links.example.com",
        "links.example.com",
        "https://",
        "https://a b.example",
        "https://u:p@links.example.com",
        "https://links.example.com/?x",
        "https://links.example.com/#x",
        "https://links.example.com/a//b",
        "https://links.example.com/<x>",
        f"https://{'l' * 200}.example",
    ],
)
def test_what_links_cannot_begin_with(problems: Any, url: str) -> None:
    assert list(problems(f"[web]\nbase_url = '{url}'", WEB)) == ["web.base_url"]


@pytest.mark.parametrize("url", ["https://l.example.com", "https://l.example.com:8443/", "https://l.example.com/a/b"])
def test_what_links_can_begin_with(loaded: Any, url: str) -> None:
    settings = loaded(f"[web]\nbase_url = '{url}'\nlisten = '[::1]:8025'", WEB)
    Links(settings.web.base_url, settings.web.keys())
    assert settings.web.place() == ("::1", 8025)


@pytest.mark.parametrize("name", ["SECRET", "FORMER_SECRETS"])
@pytest.mark.parametrize("secret", ["", "hunter2", "x" * 31, "x" * 32 + " hunter2"])
def test_a_secret_that_can_be_guessed_signs_nothing(problems: Any, name: str, secret: str) -> None:
    told = problems("[web]\nbase_url = 'https://l.example.com'", {**WEB, f"EED_WEB__{name}": secret})
    assert list(told) == [f"web.{name.lower()} (from EED_WEB__{name})"]
    assert "fewer than 32 characters" in "".join(told.values())
    assert "hunter2" not in str(told)


def test_former_secrets_come_behind_the_secret(loaded: Any) -> None:
    environ = {"EED_WEB__SECRET": "a" * 32 + "\n", "EED_WEB__FORMER_SECRETS": f"{'b' * 40} {'c' * 32}"}
    text = "[web]\nbase_url = 'https://l.example.com'"
    assert loaded(text, environ).web.keys() == ["a" * 32, "b" * 40, "c" * 32]
    assert loaded("", {"EED_WEB__FORMER_SECRETS": "b" * 40}).web.keys() == []


def test_two_https_addresses_are_one_too_many_for_one_click(loaded: Any, problems: Any) -> None:
    web = "\n[web]\nbase_url = 'https://l.example.com'\nunsubscribe = 'every'"
    told = problems("[rendering]\nlist_unsubscribe = '<mailto:u@example.com>, <https://example.com/u>'" + web, WEB)
    assert list(told) == ["web.unsubscribe and rendering.list_unsubscribe"]
    assert loaded("[rendering]\nlist_unsubscribe = '<mailto:u@example.com>'" + web, WEB)
    assert loaded("[rendering]\nlist_unsubscribe = '<https://example.com/u>'" + web.replace("every", "off"), WEB)


def test_an_offer_for_categories_needs_categories(loaded: Any, problems: Any) -> None:
    text = "[web]\nbase_url = 'https://l.example.com'\nunsubscribe = 'category'\n"
    assert list(problems(text, WEB)) == ["web.unsubscribe and source.job.category"]
    assert loaded(text + "[source.job]\ncategory = 'kind'", WEB)
    assert loaded(text + "[source.job]\ncategory_value = 'news'", WEB)


@pytest.mark.parametrize("text", ["tenant = 'a b'", "tenant = 'ä'", f"tenant = '{'a' * 65}'", "unsubscribe = 'yes'"])
def test_web_settings_that_cannot_be(problems: Any, text: str) -> None:
    assert list(problems(f"[web]\n{text}")) == [f"web.{text.split()[0]}"]


def test_jobs_that_want_nothing_need_no_links(loaded: Any) -> None:
    assert not loaded("[source.job]\ntrack_opens_value = false\ntrack_clicks_value = false").source.job.track_opens


@pytest.mark.parametrize(
    "name", ["SMTP__PORT", "SMTP__TLS", "WORKER__THREADS", "QUEUE__URL", "AWS__REGION", "WEB__LISTEN", "ALERTS__SENDER"]
)
@pytest.mark.parametrize("secret", ["hunter2 4096", "https://u:hunter2 4096@", "x hunter2 4096" * 9])
def test_a_secret_in_the_wrong_variable_is_not_told(problems: Any, name: str, secret: str) -> None:
    told = problems("", {f"EED_{name}": secret})
    assert any(f"EED_{name}" in key for key in told)
    assert "hunter" not in str(told)


def test_a_password_in_clear_text_only_to_this_host(loaded: Any, problems: Any) -> None:
    environ = {"EED_SMTP__PASSWORD": "hunter2"}
    for host in ("localhost", "127.0.0.1", "::1"):
        text = f"[smtp]\ntls = 'none'\nusername = 'u'\nhost = '{host}'"
        assert loaded(text, environ).smtp.password.get_secret_value() == "hunter2"
    told = problems("[smtp]\ntls = 'none'\nusername = 'u'\nhost = 'mail.example.com'", environ)
    assert list(told) == ["smtp.tls and smtp.username and smtp.host"]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("[smtp]\nusername = 'u'\npassword = 'hunter2'", "smtp.password"),
        ("[database]\npassword = 'hunter2'", "database.password"),
        ("[bounces]\nsecret = 'hunter2'", "bounces.secret"),
        ("[web]\nsecret = 'hunter2-hunter2-hunter2-hunter2-hunter2'", "web.secret"),
        (
            "[aws]\ncredentials = 'environment'\naccess_key_id = 'hunter2'\nsecret_access_key = 'hunter2'",
            "aws.access_key_id",
        ),
    ],
)
def test_a_secret_in_the_file_is_a_mistake_that_names_its_place(problems: Any, text: str, where: str) -> None:
    told = problems(text)
    assert "there is a secret in the file. Remove it, and give it as the systemd credential" in told[where]
    assert "EED_" in told[where]
    assert "hunter2" not in str(told)


@pytest.mark.parametrize("url", ["mysql://u:hunter2@db.example/x", "jdbc:mysql://db.example/x?user=u&password=hunter2"])
def test_a_password_in_the_files_url_is_a_mistake(problems: Any, url: str) -> None:
    told = problems(base=GOOD.replace("mysql+pymysql://eed@db.example/delivery", url))
    assert "database_password or as EED_DATABASE__PASSWORD" in told["database.url"]
    assert "hunter2" not in str(told)


BROKEN_URLS = [
    "mysql://u:hunter2@db:port/x",
    "jdbc:mysql://u:hunter2@db:x/y",
    "hunter2",
    "mysql://u:hunter2@db/x?bad=1",
]


@pytest.mark.parametrize("url", BROKEN_URLS)
def test_a_broken_url_is_never_quoted(problems: Any, url: str) -> None:
    told = problems("", {"EED_DATABASE__URL": url})
    assert list(told) == ["database.url (from EED_DATABASE__URL)"]
    assert "hunter2" not in str(told)


def test_a_secret_of_the_wrong_kind_is_not_quoted(problems: Any) -> None:
    told = problems("[smtp]\nusername = 'u'\npassword = 271828\npasswrd = 314159")
    assert told["smtp.password"]
    assert "271828" not in str(told)
    assert "314159" not in str(told)


def test_no_secret_is_ever_shown(loaded: Any) -> None:
    settings = loaded(
        "[smtp]\nusername = 'u'\n[aws]\ncredentials = 'environment'\n",
        {
            "EED_DATABASE__URL": "mysql://u:hunter2@db/x",
            "EED_SMTP__PASSWORD": "hunter2",
            "AWS_ACCESS_KEY_ID": "hunter2",
            "AWS_SECRET_ACCESS_KEY": "hunter2",
        },
    )
    shown = [repr(settings), str(settings), settings.model_dump_json(), repr(settings.database.sqlalchemy_url())]
    shown += [repr(settings.database.parsed_url()), str(settings.database.sqlalchemy_url())]
    assert "hunter2" not in "".join(shown)
    assert settings.database.sqlalchemy_url().password == "hunter2"


def test_aws_variables_count_only_if_asked_for_and_never_mix(loaded: Any) -> None:
    variables = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_SESSION_TOKEN": "c"}
    assert loaded("", variables).aws.access_key_id is None
    chosen = loaded("[aws]\ncredentials = 'environment'\n", variables).aws
    assert chosen.session_token.get_secret_value() == "c"
    own = {"EED_AWS__ACCESS_KEY_ID": "x", "EED_AWS__SECRET_ACCESS_KEY": "y"}
    mixed = loaded("[aws]\ncredentials = 'environment'\n", variables | own).aws
    assert mixed.access_key_id.get_secret_value() == "x"
    assert mixed.session_token is None


def test_keys_beside_the_instance_role_are_a_mistake(problems: Any) -> None:
    told = problems("", {"EED_AWS__ACCESS_KEY_ID": "hunter2", "EED_AWS__SECRET_ACCESS_KEY": "hunter2"})
    assert "the instance's role is used" in "".join(told.values())
    assert "hunter2" not in str(told)


def test_credentials_that_cannot_be_used_are_told(problems: Any, tmp_path: Path) -> None:
    (tmp_path / "smtp_password").write_text("\n")
    (tmp_path / "database_password").write_bytes(b"\xff\xfe")
    (tmp_path / "aws_session_tokn").write_text("hunter2")
    (tmp_path / "tls_key_of_something_else").write_text("hunter2")
    told = problems("", {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert told == {
        "credential smtp_password": "it is empty. Put the secret in, or remove the file.",
        "credential database_password": "it cannot be read: it is not UTF-8 text. Write the file again.",
        "credential aws_session_tokn": "there is no such credential. Did you mean aws_session_token?",
    }


def test_a_credentials_directory_that_is_not_there_is_told(problems: Any, tmp_path: Path) -> None:
    assert list(problems("", {"CREDENTIALS_DIRECTORY": str(tmp_path / "none")})) == ["CREDENTIALS_DIRECTORY"]


def test_a_separate_password_wins_over_the_urls(loaded: Any) -> None:
    environ = {"EED_DATABASE__URL": "mysql://u:old@db/x", "EED_DATABASE__PASSWORD": "new"}
    assert loaded("", environ).database.sqlalchemy_url().password == "new"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "it cannot be read: No such file or directory"),
        (b"[a\n", "it is not TOML"),
        (b"\xff", "it is not UTF-8 text"),
    ],
)
def test_a_file_that_cannot_be_read_is_the_only_problem(tmp_path: Path, content: bytes | None, told: str) -> None:
    path = tmp_path / "eed.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    (problem,) = caught.value.problems
    assert problem.where == str(path)
    assert told in problem.what


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"EED_CONFIG": ""},
        {"EED_DATABASE__PASSWORD": "hunter2"},
        {"EED_DATABASE__URL": "mysql://owner@db.example/x", "EED_WORKER__THREADS": "8"},
    ],
)
def test_without_any_configuration_there_is_one_problem(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, environ)
    (problem,) = caught.value.problems
    assert str(problem).startswith("configuration: there is none. Name the file with --config FILE or in EED_CONFIG")


def test_a_misspelt_variable_is_named_beside_it() -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, {"EED_CONFG": "/etc/eed.toml"})
    assert [problem.where for problem in caught.value.problems] == ["configuration", "EED_CONFG"]


def test_a_configuration_of_variables_alone_is_told_what_it_lacks() -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, {"EED_AWS__REGION": "us-east-2"})
    assert [problem.where for problem in caught.value.problems] == [
        "database.url", "queue.url", "rendering.message_id_domain",
    ]  # fmt: skip


def test_supervision_is_read_from_systemds_variables() -> None:
    mine = {"NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": "900000000", "WATCHDOG_PID": "7"}
    assert supervision(mine, pid=7) == Supervision("/run/notify", 900.0)
    assert supervision(mine, pid=8) == Supervision("/run/notify", None)
    assert supervision(mine | {"WATCHDOG_PID": str(os.getpid())}).watchdog_seconds == 900.0
    assert supervision({}) == Supervision(None, None)
    assert supervision({"WATCHDOG_USEC": "soon"}) == Supervision(None, None)


AWS_REGIONS = [
    "us-east-2", "eu-central-1", "ap-southeast-4", "us-gov-west-1", "us-iso-east-1", "us-isob-east-1", "cn-north-1",
    "il-central-1", "eusc-de-east-1", "mx-central-1",
]  # fmt: skip


@given(
    region=st.sampled_from(AWS_REGIONS),
    java=st.booleans(),
    upper=st.booleans(),
    space=st.sampled_from(["", " ", "\n"]),
)
def test_a_region_may_be_written_as_java_projects_do(region: str, java: bool, upper: bool, space: str) -> None:
    written = region.replace("-", "_") if java else region
    assert normalise_region(space + (written.upper() if upper else written) + space) == region


@given(st.text(max_size=30))
def test_anything_else_is_no_region(text: str) -> None:
    try:
        region = normalise_region(text)
    except ValueError as error:
        assert "region" in str(error)
    else:
        assert normalise_region(region) == region
        assert region == region.lower().strip()


@pytest.mark.parametrize("text", ["us-east-2a", "Ohio", "", "us-east", "us east 2", "us-east-2; x"])
def test_regions_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="region"):
        normalise_region(text)


OPERATORS = {"EED_OPERATORS__SECRET": "x" * 32}


def test_pages_and_api_on_this_host_need_a_secret_only(loaded: Any) -> None:
    settings = loaded("[operators]\nlisten = '127.0.0.1:8027'", OPERATORS).operators
    assert (settings.place(), settings.origin) == (("127.0.0.1", 8027), "http://127.0.0.1:8027")
    assert loaded("[operators]\nlisten = '10.0.0.7:1'\ntrusted_proxy = ['10.0.0.0/8']", OPERATORS).operators.listen


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("listen = '10.0.0.7:8027'", "operators.listen and operators.trusted_proxy"),
        ("listen = '0.0.0.0:8027'", "operators.listen and operators.trusted_proxy"),
        ("listen = '[::]:8027'", "operators.listen and operators.trusted_proxy"),
        ("listen = 'localhost:8027'", "operators.listen"),
        ("trusted_proxy = ['10.0.0.1/8']", "operators.trusted_proxy.0"),
        ("trusted_proxy = ['proxy']", "operators.trusted_proxy.0"),
        ("trusted_proxy = ['0.0.0.0/0']", "operators.trusted_proxy.0"),
        ("trusted_proxy = ['10.0.0.0/8', '::/0']", "operators.trusted_proxy.1"),
        ("trusted_proxy = ['128.0.0.0/1']", "operators.trusted_proxy.0"),
        ("public_origin = 'http://mail-ops.example.com'", "operators.public_origin"),
        ("public_origin = 'https://mail-ops.example.com/'", "operators.public_origin"),
        ("public_origin = 'mail-ops.example.com'", "operators.public_origin"),
        (
            "listen = '127.0.0.1:1'\nsession_idle_seconds = 900\nsession_max_seconds = 600",
            "operators.session_idle_seconds and operators.session_max_seconds",
        ),
        ("sign_on = {kind = 'alb'}", "operators.sign_on.kind and operators.sign_on.signer"),
        ("sign_on = {kind = 'jwks'}", "operators.sign_on.kind and operators.sign_on.keys_url"),
        ("sign_on = {signer = 'arn:aws:sns:us-east-2:123456789012:x'}", "operators.sign_on.signer"),
        ("sign_on = {people = {a = {role = 'root'}}}", "operators.sign_on.people.a.role"),
        ("sign_on = {people = {a = {role = 'viewer', rights = ['admin']}}}", "operators.sign_on.people.a.rights.0"),
    ],
)
def test_what_would_open_pages_and_api_too_far_is_refused(problems: Any, text: str, where: str) -> None:
    assert where in problems(f"[operators]\n{text}", OPERATORS)


def test_pages_and_api_are_not_without_a_secret(problems: Any) -> None:
    found = problems("[operators]\nlisten = '127.0.0.1:8027'")
    assert found.keys() == {"operators.listen and operators.secret"}
    assert "fewer than 32" in str(problems("", {"EED_OPERATORS__SECRET": "short"}))
