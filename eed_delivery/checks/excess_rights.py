"""Rights that the database user has and the service does not need, read from SHOW GRANTS.

A thief of the service's password has them, too. He could change the audit, or drop a table.
https://dev.mysql.com/doc/refman/8.4/en/show-grants.html, https://mariadb.com/kb/en/show-grants/
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, text

from eed_delivery.checks.expectations import expected_tables
from eed_delivery.checks.findings import Finding
from eed_delivery.config import SourceSettings
from eed_delivery.ledger.schema import RIGHTS

WHERE = "database rights"

_NAME = r"(?:`(?:[^`]|``)*`|[^`\s.]+)"
_GRANT = re.compile(rf"GRANT (?P<rights>.+?) ON (?:TABLE )?(?P<place>{_NAME}\.{_NAME}) TO (?P<rest>.*)", re.DOTALL)
_RIGHT = re.compile(r"\s*+(?P<name>[A-Z_]++(?>(?: [A-Z_]++)*))\s*+(?:\((?P<columns>[^)]*+)\))?\s*+(?:,|$)")
_HARMLESS = frozenset({"USAGE"})
_OF_SUBMIT = frozenset({"INSERT"})
"""On the source's tables: `submit` needs it."""


@dataclass(frozen=True, slots=True)
class Granted:
    """One line of SHOW GRANTS: the rights on a place, each on some columns or, with none named, on all."""

    schema: str
    table: str
    rights: Mapping[str, frozenset[str]]


def excess_findings(c: Connection, settings: SourceSettings) -> list[Finding]:
    """A warning for each place where this user may do more than the service needs. None on SQLite."""
    if c.dialect.name == "sqlite":
        return []
    here, who = c.execute(text("SELECT DATABASE() AS place, CURRENT_USER() AS who")).one()
    user, _, host = who.rpartition("@")
    grants = [grant for line in c.execute(text("SHOW GRANTS")).scalars() if (grant := parsed(line)) is not None]
    needed = _needed(settings, here)
    found = [finding for grant in grants for finding in _excess(grant, here, needed, f"'{user}'@'{host}'")]
    return found or [Finding("ok", WHERE, "this user has no right that the service does not need")]


def parsed(line: str) -> Granted | None:
    """One line of SHOW GRANTS. None: it grants a role or a proxy, whose rights have lines of their own."""
    found = _GRANT.match(line)
    if found is None:
        return None
    schema, table = re.findall(_NAME, found["place"])[:2]
    rights: dict[str, frozenset[str]] = {}
    for right in _rights_in(found["rights"]):
        names = frozenset(name.strip().strip("`") for name in (right["columns"] or "").split(",") if name)
        before = rights.get(right["name"], names)
        rights[right["name"]] = before | names if before and names else frozenset()  # on all columns wins
    if "WITH GRANT OPTION" in found["rest"]:
        rights["GRANT OPTION"] = frozenset()
    return Granted(_bare(schema), _bare(table), rights)


def _rights_in(words: str) -> Iterator[re.Match[str]]:
    """One right after the other. A search would begin anew at each character of words that are none."""
    at = 0
    while right := _RIGHT.match(words, at):
        yield right
        at = right.end()


def _bare(name: str) -> str:
    return name[1:-1].replace("``", "`") if name.startswith("`") else name


def _needed(settings: SourceSettings, here: str) -> dict[tuple[str, str], Mapping[str, frozenset[str] | None]]:
    """By table, the rights that are needed, and on which columns. None: on all."""
    needed: dict[tuple[str, str], Mapping[str, frozenset[str] | None]] = {
        (here, table): dict.fromkeys(rights) for table, rights in RIGHTS.items()
    }
    for table in expected_tables(settings):
        schema, _, name = table.name.rpartition(".")
        written = frozenset(column.column.lower() for column in table.columns if column.written)
        rights: dict[str, frozenset[str] | None] = {"SELECT": None, **dict.fromkeys(_OF_SUBMIT)}
        needed[schema or here, name] = {**rights, "UPDATE": written} if written else rights
    return needed


def _excess(
    grant: Granted, here: str, needed: Mapping[tuple[str, str], Mapping[str, frozenset[str] | None]], who: str
) -> Iterator[Finding]:
    rights = {name: columns for name, columns in grant.rights.items() if name not in _HARMLESS}
    if not rights:
        return
    if grant.schema == "*":
        what = f"this user has rights on all databases ({_listed(rights)}), so it may change the audit and drop tables"
        yield _warning(what, f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM {who};")
    elif grant.table == "*":
        if _covers(grant.schema, here):
            what = f"this user has {_listed(rights)} on all tables of {here}, so also on eed_audit"
            yield _warning(what, f"REVOKE ALL PRIVILEGES ON `{grant.schema}`.* FROM {who};")
    else:
        wanted = needed.get((grant.schema, grant.table))
        # A table of another program is none of ours.
        found = [_beyond(name, rights[name], wanted) for name in rights] if wanted is not None else []
        if too_many := [right for right in found if right is not None]:
            place = f"{grant.schema}.{grant.table}"
            effect = ", so it may change the audit" if grant.table == "eed_audit" else ""
            what = f"this user has {', '.join(too_many)} on {place}, and the service does not need that{effect}"
            yield _warning(what, f"REVOKE {', '.join(too_many)} ON {place} FROM {who};")


def _warning(what: str, revoke: str) -> Finding:
    remedy = f"{revoke} Then give it the rights of docs/installing.md."
    return Finding("warning", WHERE, what, remedy)


def _beyond(name: str, columns: frozenset[str], wanted: Mapping[str, frozenset[str] | None]) -> str | None:
    """The right as REVOKE names it, if it is more than `wanted`."""
    if name not in wanted:
        return f"{name} ({', '.join(sorted(columns))})" if columns else name
    allowed = wanted[name]
    if allowed is None:
        return None
    more = sorted(column for column in columns if column.lower() not in allowed)
    return name if not columns else f"{name} ({', '.join(more)})" if more else None


def _listed(rights: Mapping[str, frozenset[str]]) -> str:
    names = list(rights)
    return ", ".join(names) if len(names) <= 6 else f"{', '.join(names[:6])} and {len(names) - 6} more"


def _covers(pattern: str, here: str) -> bool:
    """Whether a database's name in a GRANT, in which % and _ stand for others, means this one."""
    parts = re.findall(r"\\?.", pattern)
    wild = {"%": ".*", "_": "."}
    return (
        re.fullmatch("".join(wild.get(part, re.escape(part[-1:])) for part in parts), here, re.IGNORECASE) is not None
    )
