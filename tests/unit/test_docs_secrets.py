"""No command line of the documents puts a secret where others can read it: in arguments (ps), in variables
(/proc/PID/environ) or in the shell's history."""

import re
from pathlib import Path

import pytest

from eed_delivery.config.environment import AWS_VARIABLES, CREDENTIALS

ROOT = Path(__file__).parents[2]
SHELL_BLOCK = re.compile(r"^ *```(?:sh|bash|console)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
COMMENT_LINE = re.compile(r"^# {2,}(.+)$", re.MULTILINE)

SECRET_VARIABLES = {
    *(f"EED_{'__'.join(key).upper()}" for key in CREDENTIALS.values() if key != ("database", "url")),
    *AWS_VARIABLES,
    "MYSQL_PWD",
}
SECRET_NAME = re.compile(r"\b(?:" + "|".join(SECRET_VARIABLES) + r"|\w*(?:PASSWORD|PASSWD|SECRET|TOKEN|API_KEY)\w*)=")
IN_AN_ARGUMENT = {
    "a password in a URL": re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s/:@'\"]+:[^\s/@]+@"),
    "an option with a secret": re.compile(
        r"(?:^|\s)--?[a-z-]*(?:password|passwd|secret|token|api-?key)(?:=|\s+)\S", re.IGNORECASE
    ),
    "mysql -pPASSWORD": re.compile(r"\b(?:mysql|mariadb|mysqldump|mysqladmin)\b[^|;\n]*\s-p\S"),
    "curl -u USER:PASSWORD": re.compile(r"\bcurl\b[^|;\n]*\s(?:-u|--user)[= ]\S*:"),
    "a header with a credential": re.compile(r"\b(?:Authorization|X-Api-Key|Cookie):", re.IGNORECASE),
    "a file's secret as an argument": re.compile(r"\$\((?:cat|<)[^)]*(?:credstore|credentials|password|secret|token)"),
    "a literal that becomes a secret": re.compile(
        r"\b(?:echo|printf)\b(?![^\n]*\$\(openssl rand)[^\n]*>\s*\S*(?:credstore|password|secret|token)"
    ),
}
MAKES_A_SECRET = re.compile(r"openssl rand|systemd-ask-password|/dev/u?random|\bpwgen\b|\buuidgen\b")
INTO_A_PRIVATE_FILE = re.compile(r"\(umask 077; [^()]*(?:\([^()]*\)[^()]*)?> /\S+\)")


def command_lines(path: Path) -> list[str]:
    text = path.read_text()
    if path.suffix != ".md":
        return COMMENT_LINE.findall(text)
    lines = [line.strip() for block in SHELL_BLOCK.findall(text) for line in block.replace("\\\n", " ").splitlines()]
    return lines + [code for code in INLINE.findall(SHELL_BLOCK.sub("", text)) if " " in code]


def complaints(line: str) -> list[str]:
    """What is wrong with one command line."""
    found = [what for what, pattern in IN_AN_ARGUMENT.items() if pattern.search(line)]
    if SECRET_NAME.search(line):
        found.append("a secret in a variable")
    if MAKES_A_SECRET.search(line) and not INTO_A_PRIVATE_FILE.search(line):
        found.append("a new secret that is not written to a file with mode 0600")
    return found


FILES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("systemd/*"), *ROOT.glob("config/*")]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_command_line_shows_a_secret(path: Path) -> None:
    assert {line: found for line in command_lines(path) if (found := complaints(line))} == {}


@pytest.mark.parametrize(
    "line",
    [
        "EED_DATABASE__PASSWORD='…' eed-delivery db init",
        'export EED_DATABASE__PASSWORD="$(cat /etc/credstore/eed-delivery.database_password)"',
        "AWS_SECRET_ACCESS_KEY=… aws sqs list-queues",
        "MYSQL_PWD=… mysql delivery",
        "mysql -h db.example.com -u eed -pgeheim delivery",
        "mysqldump --password=… delivery",
        "eed-delivery check --database mysql://eed:geheim@db.example.com/delivery",
        'curl -u "eed:geheim" https://hooks.example.com/',
        "curl -H 'Authorization: Bearer …' https://hooks.example.com/",
        "echo geheim > /etc/credstore/eed-delivery.smtp_password",
        "openssl rand -hex 32",
        "openssl rand -hex 32 > /etc/credstore/eed-delivery.web_secret",
        'mysql --defaults-extra-file=x --user=eed --token "$(cat /etc/credstore/eed-delivery.web_secret)"',
    ],
)
def test_each_way_to_show_one_is_found(line: str) -> None:
    assert complaints(line)


@pytest.mark.parametrize(
    "line",
    [
        "(umask 077; openssl rand -hex 32 > /etc/credstore/eed-delivery.web_secret)",
        '(umask 077; echo "whsec_$(openssl rand -base64 32)" > /etc/credstore/eed-delivery.webhooks_secret)',
        "(umask 077; systemd-ask-password 'Database password:' > /etc/credstore/eed-delivery.database_password)",
        "CREDENTIALS_DIRECTORY=/root/owner EED_DATABASE__URL='mysql+pymysql://eed@db.example.com/d' eed-delivery check",
        "eed-delivery suppression add asked@example.com --reason 'ticket 4711'",
    ],
)
def test_what_shows_none_is_let_through(line: str) -> None:
    assert complaints(line) == []
