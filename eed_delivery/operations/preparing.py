"""Before the first run, makes the ledger's tables and checks the mapping of `[source]` against the live database."""

from dataclasses import dataclass

from sqlalchemy import Connection

from eed_delivery.checks.excess_rights import excess_findings
from eed_delivery.checks.findings import Finding
from eed_delivery.checks.mapping import check as check_source
from eed_delivery.config import Settings, cautions
from eed_delivery.config.settings import UNUSED_IN_URL
from eed_delivery.database.transactions import Database
from eed_delivery.errors import DatabaseGone
from eed_delivery.ledger import migrations
from eed_delivery.ledger.actor import Actor
from eed_delivery.ledger.acts import Act, ActKind, ActObject, Particulars, note
from eed_delivery.ledger.revision import head
from eed_delivery.ledger.suppression.erased import unknown_keys
from eed_delivery.operations.ledger_revision import ledger_problem
from eed_delivery.operations.reference_schema import is_reference
from eed_delivery.operations.refusals import OperationRefused
from eed_delivery.pseudonyms import Pseudonyms
from eed_delivery.source.reference import create_reference


@dataclass(frozen=True, slots=True)
class UpgradeResult:
    """The ledger's revision now, and whether the reference schema's tables are there, too."""

    revision: str | None
    source_made: bool


class Preparing:
    """Makes and checks tables. Each call raises `DatabaseGone`."""

    def __init__(self, settings: Settings, database: Database, who: Actor) -> None:
        self._settings = settings
        self._database = database
        self._who = who

    def upgrade(self, *, with_source: bool) -> UpgradeResult:
        """Make the ledger's tables, or bring them to this release.

        `with_source` means the reference schema's as well. The tenant's own tables are never altered. Raises
        `OperationRefused`."""
        if with_source and not is_reference(self._settings.source):
            raise OperationRefused(
                "[source] maps other tables than the reference schema, so its tables would never be read",
                which="[source]",
                do="Leave out --with-source, or remove the mapping.",
            )
        self._ping()

        def made(c: Connection, before: str | None) -> None:
            if with_source:
                create_reference(c)
            after = head()
            if with_source or before != after:
                now: Particulars = {"revision": after, "with_source": with_source}
                was: Particulars = {"revision": before}
                note(c, self._who, Act(ActKind.DB_INIT, object=ActObject.LEDGER, before=was, after=now))

        migrations.upgrade(self._database.engine, made)
        return UpgradeResult(head(), with_source)

    def _ping(self) -> None:
        """Where the service's password is set too, the owner's in the URL is the usual mistake."""
        try:
            self._database.ping()
        except DatabaseGone as gone:
            if UNUSED_IN_URL not in self._settings.database.url_notes:
                raise
            raise DatabaseGone(f"{gone} (database.url: {UNUSED_IN_URL}; give the owner's there)") from gone

    def check(self) -> tuple[Finding, ...]:
        """Everything about the database, and what its settings allow that is less safe. Changes nothing."""
        about_database = [finding for finding in caution_findings(self._settings) if finding.where == "database.url"]
        return (*about_database, *self.findings())

    def findings(self) -> tuple[Finding, ...]:
        """Everything about the database, with its URL, ledger and mapping. Changes nothing."""

        def look(c: Connection) -> list[Finding]:
            return [*check_source(c, self._settings.source), *excess_findings(c, self._settings.source)]

        problem = ledger_problem(self._database)
        ledger = Finding("ok", "ledger", f"its tables are at revision {head()}")
        if problem is not None:
            ledger = Finding("error", "ledger", problem.what, problem.remedy)
        notes = [Finding("ok", "database.url", note) for note in self._settings.database.url_notes]
        keys = () if problem is not None else self._database.run(self._key_findings)
        return (*notes, ledger, *self._database.run(look), *keys)

    def _key_findings(self, c: Connection) -> list[Finding]:
        """Whether the hashes on the suppression list can be recognized."""
        missing = unknown_keys(c, Pseudonyms(self._settings.privacy.keys()))
        if not missing:
            return []
        what = f"the suppression list has hashed addresses of the key {', '.join(missing)}, which is not set"
        remedy = "Nothing is sent without it. Set privacy.secret, or put it into privacy.former_secrets."
        return [Finding("error", "privacy.secret", what, remedy)]


def caution_findings(settings: Settings) -> tuple[Finding, ...]:
    """What is allowed and less safe than the default, and settings that have old names."""
    unsafe = [Finding("warning", caution.key, caution.what, caution.remedy) for caution in cautions(settings)]
    former = [Finding("warning", old.setting, old.what, old.remedy) for old in settings.old_names]
    return (*unsafe, *former)
