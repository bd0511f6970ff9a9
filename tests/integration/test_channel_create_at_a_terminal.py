"""`channel create` at a terminal asks for each setting of a kind, and asks again for what is wrong."""

from pathlib import Path

import pytest

from eed_delivery.transports.kind import kinds
from tests.command_line import CommandLine
from tests.world import World

QUEUE = {"queue.url": "https://q.example/1/letters", "queue.dead_letter_url": "https://q.example/1/letters-dead"}
SHARED = {*QUEUE, "queue.create", "processes", "threads", "rate_per_second"}
HOST_KEY = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"
REQUIRED = {
    "smtp": {"host": "127.0.0.1", "tls": "none"},
    "ses": {},
    "eml_folder": {"directory": "/srv/letters"},
    "s3": {"bucket": "bank-documents", "region": "us-east-1", "tags": '{"team": "mail"}'},
    "sftp": {
        "host": "sftp.partner.example",
        "host_key": HOST_KEY,
        "username": "bank",
        "password": "env:CHANNEL_PARTNER",
    },
    "ftp": {"host": "ftp.partner.example", "username": "bank", "password": "credential:printer"},
}


@pytest.fixture
def eed(world: World, tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path, world.url)


def test_every_kind_is_tried_here() -> None:
    assert set(REQUIRED) == set(kinds())


@pytest.mark.parametrize("kind", REQUIRED)
def test_each_setting_of_a_kind_is_asked_for(eed: CommandLine, kind: str) -> None:
    """Once, those that are required first. What is left at its default is not written down."""
    answers = {"kind": kind, **QUEUE, **REQUIRED[kind], "threads": "3"}
    with eed.terminal("channel", "create", "letters") as terminal:
        asked = terminal.answer(answers)
        assert terminal.exit_code() == 0, terminal.shown
    fields = {name for name, field in kinds()[kind].settings.model_fields.items() if field.annotation is not None}
    assert asked[0] == "kind"
    assert len(asked) == len(set(asked))
    assert {one for one in asked if not one.startswith(("archive.", "send_windows."))} == {"kind", *SHARED, *fields}
    found = eed.json("channel", "show", "letters")
    given = {key: value for key, value in answers.items() if not key.startswith("queue.")}
    if kind == "s3":
        given["tags"] = {"team": "mail"}
    queue = {"url": QUEUE["queue.url"], "dead_letter_url": QUEUE["queue.dead_letter_url"]}
    assert found["settings"] == {**given, "queue": queue}


def test_a_secret_in_clear_is_refused_and_neither_shown_nor_kept(eed: CommandLine, world: World) -> None:
    answers = iter(["hunter2", "env:CHANNEL_RELAY"])
    asked = []
    with eed.terminal("channel", "create", "letters", "--kind", "smtp") as terminal:
        for question, default in terminal.questions():
            asked.append(question)
            assert default != "hunter2"
            typed = {"host": "127.0.0.1", "username": "bank", **QUEUE}
            terminal.type(next(answers) if question == "password" else typed.get(question, ""))
        assert terminal.exit_code() == 0, terminal.shown
    assert asked.count("password") == 2
    assert asked[-1] == "password", "nothing else is asked for again"
    assert "not a reference to a secret" in terminal.shown
    assert terminal.shown.count("hunter2") == 1, "where it was typed"
    assert "hunter2" not in str(world.execute("SELECT settings FROM eed_channel"))
    assert "hunter2" not in str(world.execute("SELECT * FROM eed_audit"))


def test_a_wrong_answer_is_asked_for_again_and_no_other(eed: CommandLine) -> None:
    typed = {"port": iter(["many", "2525"]), "queue.url": iter(["ftp://q.example/1/letters", QUEUE["queue.url"]])}
    plain = {"host": "127.0.0.1", "tls": "none", "queue.dead_letter_url": QUEUE["queue.dead_letter_url"]}
    asked = []
    with eed.terminal("channel", "create", "letters", "--kind", "smtp") as terminal:
        for question, _ in terminal.questions():
            asked.append(question)
            terminal.type(next(typed[question]) if question in typed else plain.get(question, ""))
        assert terminal.exit_code() == 0, terminal.shown
    assert [one for one in asked if asked.count(one) > 1] == ["queue.url", "port"] * 2
    assert "not a whole number" in terminal.shown
    assert eed.json("channel", "show", "letters")["settings"]["port"] == "2525"


def test_where_settings_do_not_fit_together_all_are_asked_for_again(eed: CommandLine) -> None:
    """Enter takes what was answered before, so that only what is missing is typed."""
    again = False
    plain = {"host": "127.0.0.1", "username": "bank", **QUEUE}
    with eed.terminal("channel", "create", "letters", "--kind", "smtp") as terminal:
        for question, default in terminal.questions():
            again = again or "one of them is set" in terminal.shown
            if again:
                assert default == plain.get(question, default)
                terminal.type("env:CHANNEL_RELAY" if question == "password" else "")
            else:
                terminal.type(plain.get(question, ""))
        assert terminal.exit_code() == 0, terminal.shown
    assert again
    settings = eed.json("channel", "show", "letters")["settings"]
    assert (settings["username"], settings["password"]) == ("bank", "env:CHANNEL_RELAY")


def test_ctrl_c_leaves_nothing(eed: CommandLine, world: World) -> None:
    with eed.terminal("channel", "create", "letters", "--kind", "smtp") as terminal:
        for number, (question, _) in enumerate(terminal.questions(), start=1):
            if number == 3:
                break
            terminal.type(QUEUE.get(question, "127.0.0.1"))
        assert terminal.interrupt() == 1, terminal.shown
    assert "Aborted!" in terminal.shown
    assert "Traceback" not in terminal.shown
    assert world.execute("SELECT COUNT(*) FROM eed_channel") == [(0,)]
    assert world.execute("SELECT COUNT(*) FROM eed_audit") == [(0,)]


@pytest.mark.parametrize(
    ("name", "why", "code"), [("default", "there is a channel default already", 1), ("Letters", "small letter", 78)]
)
def test_a_name_that_cannot_be_had_is_said_before_anything_is_asked(
    eed: CommandLine, name: str, why: str, code: int
) -> None:
    with eed.terminal("channel", "create", name) as terminal:
        assert terminal.answer({}) == []
        assert terminal.exit_code() == code
    assert why in terminal.shown
