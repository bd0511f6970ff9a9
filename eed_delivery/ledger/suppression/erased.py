"""Entries of the suppression list whose address was erased: a keyed hash stands in its place (`pseudonyms`).

The database cannot make these hashes without being given the key, so the claim makes them. It asks for entries only
where the list has any of them.
"""

from collections.abc import Mapping

from sqlalchemy import Connection, bindparam, exists, func, select

from eed_delivery.database.multi_statement import BoundStatement, execute
from eed_delivery.errors import DatabaseGone
from eed_delivery.ledger.schema import eed_email, eed_job, eed_suppression
from eed_delivery.ledger.suppression.statements import EVERY_EMAIL, in_force
from eed_delivery.pseudonyms import BEYOND, KEY_ID_CHARS, NO_PSEUDONYMS, PREFIX, Pseudonyms

_list = eed_suppression.c
_IS_PSEUDONYM = (_list.address >= PREFIX, _list.address < BEYOND)
HAS_PSEUDONYMS = exists().where(*_IS_PSEUDONYM)
"""Whether the list has such entries: one look into its key."""

KEY_IDS = select(func.substr(_list.address, len(PREFIX) + 1, KEY_ID_CHARS)).where(*_IS_PSEUDONYM).distinct()
ENTRIES = select(_list.address, _list.category).where(
    _list.address.in_(bindparam("pseudonyms", expanding=True)), in_force()
)
_CATEGORIES = (
    select(eed_email.c.email_id, eed_job.c.category)
    .join(eed_job, eed_job.c.job_id == eed_email.c.job_id)
    .where(eed_email.c.email_id.in_(bindparam("ids", expanding=True)))
    .where(eed_email.c.despite_list.is_(False))
)


class ErasedAddresses:
    """Tells whether addresses are suppressed by their pseudonyms. Safe for many threads."""

    def __init__(self, pseudonyms: Pseudonyms = NO_PSEUDONYMS) -> None:
        self._pseudonyms = pseudonyms
        self._has_all_keys = False

    def suppressed(self, c: Connection, addresses: Mapping[int, str | None]) -> set[int]:
        """Of emails by id, each with its canonical address, those that may not be mailed. Raises `DatabaseGone` when
        the list cannot be read for want of a key: then nothing may be sent."""
        self.check(c)
        ids: dict[str, list[int]] = {}
        for email_id, address in addresses.items():
            for pseudonym in self._pseudonyms.all_of(address) if address else ():
                ids.setdefault(pseudonym, []).append(email_id)
        if not ids:
            return set()
        (found,) = execute(c, [BoundStatement(ENTRIES, {"pseudonyms": sorted(ids)}, rows=None)])
        if not found.rows:
            return set()
        named = {(email_id, entry.category) for entry in found.rows for email_id in ids[entry.address]}
        rows = c.execute(_CATEGORIES, {"ids": sorted({email_id for email_id, _ in named})})
        return {
            row.email_id for row in rows if {(row.email_id, EVERY_EMAIL), (row.email_id, row.category)} & named
        }  # fmt: skip

    def check(self, c: Connection) -> None:
        """Raises `DatabaseGone` when entries were made with a key that is not there."""
        if self._has_all_keys:
            return
        if missing := unknown_keys(c, self._pseudonyms):
            raise DatabaseGone(
                f"the suppression list has hashed addresses of the key {', '.join(missing)}, and neither "
                "privacy.secret nor privacy.former_secrets has that key. Nothing is sent until it is set"
            )
        self._has_all_keys = True


def unknown_keys(c: Connection, pseudonyms: Pseudonyms) -> list[str]:
    """The names of keys that entries of the list were made with, and that are not set."""
    return sorted(set(c.execute(KEY_IDS).scalars()) - pseudonyms.key_ids)
