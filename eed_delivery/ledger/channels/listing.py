"""Channels that were created while the service runs. Their settings are JSON; of a secret, only where it is.

A change names the version that it saw, so that of two people who change a channel at once one is refused.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum, auto
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from eed_delivery.database.clock import utc_now
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.actor import SERVICE, Actor
from eed_delivery.ledger.acts import Act, ActKind, ActObject, Particulars, is_noted, new_operation, note
from eed_delivery.ledger.manifests import outstanding
from eed_delivery.ledger.schema import CHANNEL_SETTINGS_LENGTH, eed_audit, eed_channel, eed_hold, eed_job
from eed_delivery.model import HoldScope

WHO_LENGTH = 255

CHANGE = (
    update(eed_channel)
    .where(eed_channel.c.name == bindparam("its_name"))
    .where(eed_channel.c.version == bindparam("seen"))
    .values(
        settings=bindparam("its_settings"),
        version=eed_channel.c.version + 1,
        changed_by=bindparam("by"),
        changed_at=utc_now(),
    )
)


@dataclass(frozen=True, slots=True)
class StoredChannel:
    """A channel as the ledger has it. `settings` are those of `[channel.NAME]`, unchecked. Times are UTC."""

    name: str
    settings: Mapping[str, Any]
    version: int
    made_by: str
    made_at: datetime
    changed_by: str
    changed_at: datetime


class ChannelChange(Enum):
    """What became of a change."""

    DONE = auto()
    MISSED = auto()  # there is no such channel, or it has another version by now
    IN_USE = auto()  # unfinished jobs name it, or a manifest is outstanding


class ChannelLedger:
    """Creates, changes and removes channels. Each call is one transaction and raises `DatabaseGone`."""

    def __init__(self, database: Database, who: Actor = SERVICE) -> None:
        """`who` acts, for the audit."""
        self._database = database
        self._who = who

    def all(self) -> dict[str, StoredChannel]:
        """By name."""
        found = self._database.run(lambda c: c.execute(select(eed_channel).order_by(eed_channel.c.name)).all())
        return {
            row.name: StoredChannel(**{**row._mapping, "settings": json.loads(row.settings)}) for row in found
        }  # fmt: skip

    def create(self, name: str, settings: Mapping[str, Any], operation: str | None = None) -> bool:
        """Enter a channel. False: there is one of this name. `operation` is the name that the act has in the audit."""
        given = dict(sorted(_flat(settings).items()))
        operation = operation or new_operation()
        by = self._who.user[:WHO_LENGTH]
        row = {"name": name, "settings": stored(settings), "made_by": by, "changed_by": by}

        def work(c: Connection) -> bool:
            if is_noted(c, operation):
                return True
            version = _first_version(c, name)
            c.execute(insert(eed_channel).values(**row, version=version, made_at=utc_now(), changed_at=utc_now()))
            after: Particulars = {"version": version, **given}
            act = Act(ActKind.CHANNEL_CREATE, object=ActObject.CHANNEL, key=name, after=after, operation=operation)
            note(c, self._who, act)
            return True

        try:
            return self._database.run(work)
        except IntegrityError:
            return False

    def change(
        self,
        name: str,
        settings: Mapping[str, Any],
        seen: int,
        operation: str | None = None,
        *,
        only_unused: bool = False,
    ) -> ChannelChange:
        """Replace the settings of a channel whose version is `seen`. `operation` is as in `create`. `only_unused`: not
        while an unfinished job names it, or a manifest is outstanding."""
        before = self.all().get(name)
        old, new = _flat(before.settings if before is not None else {}), _flat(settings)
        differs = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
        was = {"version": seen, **{key: old.get(key) for key in differs}}
        now = {"version": seen + 1, **{key: new.get(key) for key in differs}}
        operation = operation or new_operation()
        act = Act(ActKind.CHANNEL_EDIT, object=ActObject.CHANNEL, key=name, before=was, after=now, operation=operation)
        values = {"its_name": name, "seen": seen, "its_settings": stored(settings), "by": self._who.user[:WHO_LENGTH]}

        def work(c: Connection) -> ChannelChange:
            if not is_noted(c, act.operation):
                if c.execute(CHANGE, values).rowcount != 1:
                    return ChannelChange.MISSED
                if only_unused and _in_use(c, name):
                    c.rollback()
                    return ChannelChange.IN_USE
                note(c, self._who, act)
            return ChannelChange.DONE

        return self._database.run(work)

    def note_trial(self, name: str, settings: Mapping[str, Any]) -> None:
        """Write down that settings are tried which may never be saved."""
        given = dict(sorted(_flat(settings).items()))
        act = Act(ActKind.CHANNEL_TRIAL, object=ActObject.CHANNEL, key=name, after=given)
        self._database.did(lambda c: note(c, self._who, act))

    def remove(self, name: str) -> ChannelChange:
        """Remove a channel that no unfinished job names and that has put all manifests, and its hold."""
        act = Act(ActKind.CHANNEL_REMOVE, object=ActObject.CHANNEL, key=name)

        def work(c: Connection) -> ChannelChange:
            if is_noted(c, act.operation):
                return ChannelChange.DONE
            version = c.execute(select(eed_channel.c.version).where(eed_channel.c.name == name)).scalar_one_or_none()
            if c.execute(delete(eed_channel).where(eed_channel.c.name == name)).rowcount != 1:
                return ChannelChange.MISSED
            if _in_use(c, name):
                c.rollback()
                return ChannelChange.IN_USE
            its_hold = (eed_hold.c.scope == HoldScope.CHANNEL) & (eed_hold.c.subject == name)
            c.execute(delete(eed_hold).where(its_hold))
            note(c, self._who, replace(act, before={"version": version}))
            return ChannelChange.DONE

        return self._database.run(work)

    def is_in_use(self, name: str) -> bool:
        """Whether an unfinished job names a channel, or a manifest of it is outstanding."""
        return bool(self._database.run(lambda c: _in_use(c, name)))

    def unfinished_jobs(self, name: str) -> int:
        """How many jobs that have not finished name a channel."""
        return self._database.run(lambda c: _unfinished(c, name))


def _first_version(c: Connection, name: str) -> int:
    """Behind the last version of a removed channel of this name. Who still sees that one changes nothing of this."""
    removals = (
        select(eed_audit.c.state_before)
        .where(eed_audit.c.act == ActKind.CHANNEL_REMOVE)
        .where(eed_audit.c.object_kind == ActObject.CHANNEL, eed_audit.c.object_key == name)
        .order_by(eed_audit.c.act_id.desc())
        .limit(1)
    )
    last = json.loads(c.execute(removals).scalar() or "{}").get("version")
    return last + 1 if isinstance(last, int) else 1


def _in_use(c: Connection, name: str) -> int:
    """By unfinished jobs, and by finished ones whose manifest is not put yet."""
    return _unfinished(c, name) or outstanding(c, name)


def _unfinished(c: Connection, name: str) -> int:
    counted = select(func.count()).where(eed_job.c.finished_at.is_(None), eed_job.c.channel == name)
    return c.execute(counted).scalar_one()


def stored(settings: Mapping[str, Any]) -> str:
    """As the ledger keeps them. Raises ValueError for those that do not fit."""
    text = json.dumps(settings, ensure_ascii=False, sort_keys=True)
    if len(text) > CHANNEL_SETTINGS_LENGTH:
        raise ValueError(f"its settings are longer than {CHANNEL_SETTINGS_LENGTH:,} characters")
    return text


def _flat(settings: Mapping[str, Any], above: str = "") -> dict[str, str]:
    """For the audit: each setting as text, by its dotted key."""
    found: dict[str, str] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{above}{key}.")
        else:
            found[f"{above}{key}"] = value if isinstance(value, str) else json.dumps(value)
    return found
