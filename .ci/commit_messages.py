"""Checks the messages of new commits: subject, blank line, body. `make lint` runs it. CONTRIBUTING.md has the rules.

New are the commits after the one that `commits-checked-since` names. A clone without that commit, such as a shallow
one, checks the commits since its date. Without Git, as in an unpacked archive, nothing is checked.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

MAX_SUBJECT = 72
SINCE = Path(__file__).with_name("commits-checked-since")
NOT_IMPERATIVE = ("ed", "ing", "s")
IMPERATIVE = ("eed", "ss")
"""Endings of verbs such as "feed", "exceed", "pass" and "suppress"."""
VERBS = frozenset({"alias", "bring", "embed", "focus", "ping", "shed", "shred", "string", "bias", "canvas"})
"""Verbs that only look like another form."""
BETWEEN_COMMITS = "\x1e"


def problems(message: str) -> Iterator[str]:
    """What is wrong with one commit message."""
    subject, *rest = message.rstrip().split("\n")
    if len(subject) > MAX_SUBJECT:
        yield f"the subject has {len(subject)} characters, and {MAX_SUBJECT} is the limit"
    if subject.endswith("."):
        yield "the subject ends with a full stop"
    if not is_imperative(subject.split(" ")[0]):
        yield 'the subject does not begin with a verb in the imperative, such as "Refuse"'
    if rest and rest[0]:
        yield "the line below the subject is not blank"
    if not any(line.strip() for line in rest):
        yield "there is no body that says why"


def is_imperative(word: str) -> bool:
    """Whether a word can be a verb in the imperative, by its form alone."""
    verb = word.lower()
    looks_other = verb.endswith(NOT_IMPERATIVE) and not verb.endswith(IMPERATIVE) and verb not in VERBS
    return word[:1].isupper() and word.isalpha() and not looks_other


def messages(folder: Path, since: str, date: str) -> Iterator[tuple[str, str]]:
    """The new commits of a clone, each with its short id and its message. Merges are not among them."""
    known = git(folder, "cat-file", "-e", f"{since}^{{commit}}").returncode == 0
    new = [f"{since}..HEAD"] if known else [f"--since={date}", "HEAD"]
    answer = git(folder, "log", "--no-merges", f"--format=%h%n%B{BETWEEN_COMMITS}", *new)
    if answer.returncode:
        raise SystemExit(f"git log failed: {answer.stderr.strip()}")
    for commit in answer.stdout.split(BETWEEN_COMMITS):
        short, _, message = commit.strip("\n").partition("\n")
        if short:
            yield short, message


def git(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run Git in a folder."""
    return subprocess.run(["git", "-C", str(folder), *args], capture_output=True, text=True, check=False)


def main(folder: Path = SINCE.parent) -> int:
    """Print what is wrong. Returns 1 if anything is."""
    if git(folder, "rev-parse", "--verify", "HEAD").returncode:
        print("commit messages: this is not a Git repository, so there is nothing to check")
        return 0
    since, date = SINCE.read_text().split()
    checked = list(messages(folder, since, date))
    found = [(short, message, what) for short, message in checked for what in problems(message)]
    for short, message, what in found:
        print(f"commit {short} ({message.splitlines()[0]}): {what}")
    print(f"commit messages: {len(checked)} checked, {len(found)} problems")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
