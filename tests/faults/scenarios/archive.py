"""The archive: it is away, and workers and the archiver are killed, while emails are sent."""

from pathlib import Path

from tests.archived import ArchiveBooks
from tests.faults.crew import USUAL, Crew
from tests.faults.judgement import Told
from tests.faults.load import THREADS, add_jobs, ended
from tests.faults.scenario import Amount, Site, scenario
from tests.stack import BRISK

JOBS = 3


@scenario("archive-down", quick=Amount(200, 4), short=Amount(3_000, 30), long=Amount(50_000, 300))
def archive_down(site: Site, amount: Amount) -> Told:
    """The archive is away at first, then goes and comes at random. Workers and archivers are killed meanwhile."""
    archive, spool = site.directory / "archive", site.directory / "spool"
    settings = {"transport.archive.url": str(archive), "transport.archive.spool": str(spool)}
    stack = site.stack({**BRISK, **settings}, keep_mail=True)
    books = ArchiveBooks(stack, archive, spool / "default")
    stack.mail_up()
    place = _Place(archive)
    place.take_away()
    jobs = add_jobs(stack, amount.emails, jobs=JOBS)
    moments = sorted(site.random.randrange(amount.emails) for _ in range(amount.faults))
    with Crew(stack, (*USUAL, "archive")) as crew:
        for moment in moments:
            stack.wait_until(lambda: ended(stack) >= moment, f"{moment} emails have ended", seconds=600)  # noqa: B023
            crew.kill(site.random.choice([*crew.of("worker"), *crew.of("archive")]))
            place.change()
            crew.tend()
        stack.wait_finished(*jobs, seconds=3600)
        place.bring_back()
        stack.wait_until(lambda: not books.overdue(), "each sent email's copy has left the spool", seconds=600)
        problems = crew.stop()
    return Told(stack, crew.kills, doubt_at_most=crew.kills * THREADS, problems=problems + books.violations())


class _Place:
    """The archive's directory. While it is away, a file stands in its place."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._aside = path.with_name("aside")
        self._away = False

    def take_away(self) -> None:
        if not self._away:
            if self._path.exists():
                self._path.rename(self._aside)
            self._path.write_text("away")
            self._away = True

    def bring_back(self) -> None:
        if self._away:
            self._path.unlink()
            if self._aside.exists():
                self._aside.rename(self._path)
            self._away = False

    def change(self) -> None:
        """Away, if it was there; or there again."""
        if self._away:
            self.bring_back()
        else:
            self.take_away()
