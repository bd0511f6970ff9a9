"""`.ci/commit_messages.py`: which messages it refuses, and that it works in every kind of clone."""

import importlib.util
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
BODY = "\n\nThe queue said so, and test_queue shows it."


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("commit_messages", ROOT / ".ci" / "commit_messages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


checker = load()


@pytest.mark.parametrize(
    "subject",
    [
        "Refuse keys that end with a blank",
        "Feed the watchdog",
        "Suppress dead addresses",
        "Pass the clock in",
        "Embed it",
    ],
)
def test_a_message_in_the_imperative_with_a_body_is_accepted(subject: str) -> None:
    assert list(checker.problems(subject + BODY)) == []


@pytest.mark.parametrize(
    ("message", "part"),
    [
        ("Refuse keys" + " and more" * 10 + BODY, "72 is the limit"),
        ("Refuse keys." + BODY, "full stop"),
        ("Refused keys" + BODY, "imperative"),
        ("Refusing keys" + BODY, "imperative"),
        ("Refuses keys" + BODY, "imperative"),
        ("refuse keys" + BODY, "imperative"),
        ("ledger: refuse keys" + BODY, "imperative"),
        ("Refuse keys\nThe queue said so.", "not blank"),
        ("Refuse keys", "no body"),
        ("Refuse keys\n\n", "no body"),
    ],
)
def test_what_is_wrong_is_said(message: str, part: str) -> None:
    assert any(part in problem for problem in checker.problems(message))


def git(folder: Path, *args: str) -> str:
    names = {f"GIT_{who}_{what}": "test@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    env = {"PATH": "/usr/bin:/bin", "HOME": str(folder), **names}
    return subprocess.run(["git", "-C", folder, *args], env=env, capture_output=True, text=True, check=True).stdout


def commit(folder: Path, message: str, date: str) -> str:
    names = {f"GIT_{who}_{what}": "test@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    env = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "GIT_COMMITTER_DATE": date, **names}
    command = ["git", "-C", folder, "commit", "--quiet", "--allow-empty", "--message", message]
    subprocess.run(command, env=env, check=True)
    return git(folder, "rev-parse", "HEAD").strip()


@pytest.fixture
def repository(tmp_path: Path) -> tuple[Path, str]:
    """Three commits. The first is older than the rules, the second is the one they begin after."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet")
    commit(folder, "an old one.", "2026-01-01T00:00:00Z")
    since = commit(folder, "the last old one.", "2026-01-02T00:00:00Z")
    commit(folder, "A new one.", "2026-01-04T00:00:00Z")
    return folder, since


def test_commits_after_the_recorded_one_are_checked(repository: tuple[Path, str]) -> None:
    folder, since = repository
    assert [message for _, message in checker.messages(folder, since, "2026-01-03T00:00:00Z")] == ["A new one."]


@pytest.mark.parametrize("depth", ["1", "2", "3"])
def test_a_shallow_clone_goes_by_the_date(repository: tuple[Path, str], tmp_path: Path, depth: str) -> None:
    folder, since = repository
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--depth", depth, f"file://{folder}", str(clone))
    assert [message for _, message in checker.messages(clone, since, "2026-01-03T00:00:00Z")] == ["A new one."]


def test_a_clone_without_the_recorded_commit_goes_by_the_date(repository: tuple[Path, str]) -> None:
    found = checker.messages(repository[0], "0" * 40, "2026-01-03T00:00:00Z")
    assert [message for _, message in found] == ["A new one."]


def test_an_archive_without_git_is_no_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert checker.main(tmp_path) == 0
    assert "not a Git repository" in capsys.readouterr().out


def test_make_lint_runs_it() -> None:
    lint = (ROOT / "Makefile").read_text().partition("\nlint:")[2].partition("\n\n")[0]
    assert ".ci/commit_messages.py" in lint
