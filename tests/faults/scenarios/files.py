"""kill -9 while files are put into a store of each kind, connections that end in the middle, and a full disk."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eed_delivery.runtime import failpoints
from tests.contract.file_stores import REGION, FileStore, KindSurroundings, ftp_directory, s3_client, sftp_directory
from tests.faults.crew import Crew
from tests.faults.judgement import Told
from tests.faults.load import attempts_beyond_one, people
from tests.faults.scenario import Amount, Site, Skipped, scenario
from tests.faults.turns import Turns
from tests.oracle import open_books
from tests.servers import openssh
from tests.servers.cutting_proxy import CuttingProxy
from tests.servers.small_disk import NoMount, small_disk
from tests.sink import Taken
from tests.stack import BRISK, Stack

CHANNEL = "documents"
WORKER = f"worker-{CHANNEL}"
DOCUMENTS = ("html", "eml")
"""Two files an email, so that a worker can die between them."""
ALWAYS = (
    *("worker.received", "worker.claimed", "worker.rendered", "worker.before_wire", "worker.group_committed"),
    *("worker.wired", "worker.sent", "worker.recorded", "worker.acked"),
)
"""The worker's places that each email passes. The scenario `failpoints` has those that come with trouble."""
PLACES = (*ALWAYS, *failpoints.FILES)
COMMON = tuple(name for name in PLACES if name not in ("worker.received", "worker.claimed", "worker.acked"))
JOB_EMAILS = 20
LONGEST_SECONDS = 3600.0
SHOWN = 5
DISK_MEGABYTES = 100
END_LEASES = """
    UPDATE eed_email SET lease_until = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND
    WHERE state = 'sending' AND wire_at < UTC_TIMESTAMP(6) - INTERVAL 5 SECOND AND lease_until > UTC_TIMESTAMP(6)
"""
"""In place of the minutes that files may take to be put. It also ends leases of workers that are alive and slow."""
KINDS = 3
QUICK, SHORT, LONG = Amount(0, 1), Amount(0, 5), Amount(0, 25)


@dataclass
class Partner:
    """Where the files go. `versions`: what each name has had, the last one last. `places`: where a worker is killed."""

    store: FileStore
    versions: Callable[[], dict[str, list[bytes]]]
    places: tuple[str, ...] = PLACES
    cuts: int = 0
    seen: dict[str, bytes] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)

    def cut(self) -> None:
        """End all connections now, or lose the next answer that says that a file has its name."""
        self.cuts += 1
        if self.cuts % 2:
            self.store.proxy.lose_answer(**self.store.yes)
        else:
            self.store.proxy.cut()

    def look(self) -> None:
        """Note what is there, and which files have other bytes than before."""
        now = {path: of[-1] for path, of in self.versions().items()}
        self.changed |= {path for path, content in self.seen.items() if now.get(path) != content}
        self.seen |= now


@contextmanager
def s3(site: Site) -> Iterator[Partner]:
    """A bucket that keeps versions, in ministack."""
    server = site.ministack
    client, bucket = s3_client(server.endpoint_url), f"{site.directory.name.lower().replace('_', '-')}-bucket"
    client.create_bucket(Bucket=bucket)
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})

    def versions() -> dict[str, list[bytes]]:
        found: dict[str, list[bytes]] = {}
        for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket):
            for one in page.get("Versions", []):
                asked = client.get_object(Bucket=bucket, Key=one["Key"], VersionId=one["VersionId"])
                found.setdefault(one["Key"], []).append(asked["Body"].read())
        return found

    with CuttingProxy(server.port) as proxy:
        place = {"bucket": bucket, "region": REGION, "endpoint_url": f"http://127.0.0.1:{proxy.port}"}
        patience = {"connect_timeout_seconds": 2, "read_timeout_seconds": 5}
        yes = {"beginning": b"HTTP/1.1 200"}
        store = FileStore("s3", place | patience, KindSurroundings(), dict, proxy, lambda *_: None, yes)
        yield Partner(store, versions, tuple(name for name in PLACES if name != "files.uploaded"))


@contextmanager
def sftp(site: Site) -> Iterator[Partner]:
    """An sshd."""
    _require_sshd()
    with openssh.OpenSsh() as server, sftp_directory(server) as store:
        yield Partner(store, lambda: _whole(store))


@contextmanager
def ftp(site: Site) -> Iterator[Partner]:
    """An FTP server with TLS."""
    with ftp_directory(site.directory, tls=True) as store:
        yield Partner(store, lambda: _whole(store))


def _whole(store: FileStore) -> dict[str, list[bytes]]:
    """Without what has a temporary name."""
    return {path: [content] for path, content in store.arrived().items() if not path.endswith(".part")}


@scenario("files-kill-s3", quick=QUICK, short=SHORT, long=LONG)
def kill_s3(site: Site, amount: Amount) -> Told:
    """kill -9 of workers that put objects into a bucket, at each place between two steps, and connections that end."""
    with s3(site) as partner:
        return _kill_at_each_place(site, partner, amount, share=0)


@scenario("files-kill-sftp", quick=QUICK, short=SHORT, long=LONG)
def kill_sftp(site: Site, amount: Amount) -> Told:
    """kill -9 of workers that put files by SFTP, at each place between two steps, and connections that end."""
    with sftp(site) as partner:
        return _kill_at_each_place(site, partner, amount, share=1)


@scenario("files-kill-ftp", quick=QUICK, short=SHORT, long=LONG)
def kill_ftp(site: Site, amount: Amount) -> Told:
    """kill -9 of workers that put files by FTP over TLS, at each place between two steps, and connections that end."""
    with ftp(site) as partner:
        return _kill_at_each_place(site, partner, amount, share=2)


@scenario("files-partner-trouble", quick=Amount(60), short=Amount(600), long=Amount(6_000))
def partner_trouble(site: Site, amount: Amount) -> Told:
    """The partner's disk is full, then the right to write is lost, then the server is away, while a job is sent."""
    _require_sshd()
    with ExitStack() as opened:
        server = opened.enter_context(openssh.OpenSsh())
        store = opened.enter_context(sftp_directory(server))
        try:
            disk = opened.enter_context(small_disk(server.root / "disk", DISK_MEGABYTES))
        except NoMount as error:
            raise Skipped(str(error)) from None
        store.settings["directory"] = "disk"
        partner = Partner(store, lambda: {path.removeprefix("disk/"): of for path, of in _whole(store).items()})
        stack = _stack(site, partner)
        with Crew(stack, ("publisher", WORKER, WORKER, "sweeper"), store.environ) as crew:
            for job_id, trouble in enumerate((_full, _without_rights, _away), start=1):
                with trouble(server, disk) as words:
                    emails = people(amount.emails // 3, f"job{job_id}.example.com")
                    stack.add_job(emails, job_id, channel=CHANNEL)
                    stack.wait_until(lambda: _heard(crew, words), f"refused: {words}", LONGEST_SECONDS)
                stack.wait_finished(job_id, seconds=LONGEST_SECONDS)
                stack.wait_until(lambda: _manifests_are_put(stack), "its manifest is put", LONGEST_SECONDS)
            problems = crew.stop()
        versions = partner.versions()
        books = open_books(stack.world, stack.source, _taken(stack, versions))
        problems += _problems(stack, partner, versions)
    return Told(stack, faults=3, problems=problems, books=books)


def _heard(crew: Crew, words: str) -> bool:
    return any(words in event["reply"] for event in crew.log_events("not_sent"))


@contextmanager
def _full(server: openssh.OpenSsh, disk: Path) -> Iterator[str]:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass
    yield "disk is full"
    filler.unlink()


@contextmanager
def _without_rights(server: openssh.OpenSsh, disk: Path) -> Iterator[str]:
    disk.chmod(0o555)
    yield "the right to write there"
    disk.chmod(0o777)


@contextmanager
def _away(server: openssh.OpenSsh, disk: Path) -> Iterator[str]:
    server.stop()
    yield "no SFTP connection"
    server.start()


def _require_sshd() -> None:
    try:
        openssh.require()
    except RuntimeError as missing:
        raise Skipped(str(missing)) from None


def _kill_at_each_place(site: Site, partner: Partner, amount: Amount, share: int) -> Told:
    """Where each place has one turn, the kinds share those places that come before any kind and after it. Each of them
    has the places at its files."""
    places = partner.places
    if amount == QUICK:
        places = tuple(name for name in places if name not in ALWAYS or ALWAYS.index(name) % KINDS == share)
    stack = _stack(site, partner)
    load = _Load(stack, partner)
    turns = Turns(site.random, {WORKER: places}, amount.faults, COMMON)
    crew = Crew(stack, ("publisher", WORKER, WORKER, "sweeper"), partner.store.environ)
    turns.arm_all(crew)
    with crew:

        def strike() -> bool:
            turns.take_the_dead(crew)
            stack.world.execute(END_LEASES)
            load.roll()
            return not turns.left

        def end() -> bool:
            turns.take_the_dead(crew)
            stack.world.execute(END_LEASES)
            return load.over

        stack.wait_until(strike, "a worker was killed at every place", LONGEST_SECONDS)
        stack.wait_until(end, "every job is finished", LONGEST_SECONDS)
        problems = crew.stop() + turns.problems
    partner.look()
    versions = partner.versions()
    books = open_books(stack.world, stack.source, _taken(stack, versions))
    problems += _problems(stack, partner, versions)
    return Told(stack, turns.struck[WORKER] + partner.cuts, problems=problems, books=books)


def _stack(site: Site, partner: Partner) -> Stack:
    url, dead = site.ministack.make_queue(f"{CHANNEL}-{site.directory.name}", max_receive_count=50)
    channel = {
        "kind": partner.store.kind,
        "queue": {"url": url, "dead_letter_url": dead},
        "threads": 2,
        "documents": list(DOCUMENTS),
        "path": "{{ job }}/{{ filename }}",
        **{name: str(value) if name == "ca_file" else value for name, value in partner.store.settings.items()},
    }
    settings = {f"channel.{CHANNEL}.{name}": value for name, value in channel.items()}
    settings |= {"source.job.channel": "channel", "worker.send_lease_seconds": 0}
    settings |= {"sweeper.queued_patience_seconds": 1}
    return site.stack({**BRISK, **settings})


class _Load:
    """Small jobs, one after the other. With each one a connection ends."""

    def __init__(self, stack: Stack, partner: Partner) -> None:
        self._stack = stack
        self._partner = partner
        self._jobs: list[int] = []

    @property
    def over(self) -> bool:
        """Whether every job is finished, and its manifest put."""
        return self._stack.finished(*self._jobs) and _manifests_are_put(self._stack)

    def roll(self) -> None:
        """One more job, unless enough emails wait for a worker. What a dead one held does not count."""
        counts = self._stack.counts()
        not_enlisted = JOB_EMAILS * len(self._jobs) - counts.total()
        if not_enlisted + counts["pending"] + counts["queued"] < JOB_EMAILS:
            self._partner.look()
            self._partner.cut()
            job_id = len(self._jobs) + 1
            self._stack.add_job(people(JOB_EMAILS, f"job{job_id}.example.com"), job_id, channel=CHANNEL)
            self._jobs.append(job_id)


def _manifests_are_put(stack: Stack) -> bool:
    return not stack.world.scalar("SELECT COUNT(*) FROM eed_manifest WHERE put_at IS NULL")


def _paths(email_id: int) -> list[str]:
    return [f"{email_id // 100_000}/{email_id}.{ending}" for ending in DOCUMENTS]


def _taken(stack: Stack, versions: dict[str, list[bytes]]) -> list[Taken]:
    """Each email as often as all of its files are there."""
    rows = stack.world.execute("SELECT email_id, gen, recipient FROM eed_email")
    times = ((row, min(len(versions.get(path, [])) for path in _paths(row[0]))) for row in rows)
    return [Taken(*row, time.monotonic()) for row, count in times for _ in range(count)]


def _listed(versions: dict[str, list[bytes]], manifest: str) -> set[str]:
    """The paths that a manifest lists; none where there is no manifest."""
    document = versions.get(manifest, [b'{"files": []}'])[-1]
    return {file["name"] for file in json.loads(document)["files"]}


def _problems(stack: Stack, partner: Partner, versions: dict[str, list[bytes]]) -> list[str]:
    """What must not be of files, in words."""
    ids = [row[0] for row in stack.world.execute("SELECT email_id FROM eed_email")]
    of = {path: email_id for email_id in ids for path in _paths(email_id)}
    jobs = {path.partition("/")[0] for path in of}
    manifests = {job: f"{job}/manifest.json" for job in jobs}
    tables = {f"{job}/manifest.csv" for job in jobs}
    doubts = stack.world.execute("SELECT email_id FROM eed_attempt WHERE verdict = 'in_doubt'")
    found: dict[str, list[Any]] = {
        "put twice": sorted(path for path, all_of_it in versions.items() if len(all_of_it) > 1),
        "changed after it had its name": sorted(partner.changed),
        "of no email": sorted(versions.keys() - of.keys() - tables - set(manifests.values())),
        "not the list of its job": sorted(
            job
            for job, path in manifests.items()
            if _listed(versions, path) != {p for p in of if p.startswith(f"{job}/")}
        ),
        "another's content": sorted(path for path, i in of.items() if not _is_of(i, versions.get(path, [b""])[-1])),
        "in doubt for a time": [row[0] for row in doubts],
        "cost more tries than one": list(attempts_beyond_one(stack)),
    }
    return [f"{what}: {len(which)}, as {which[:SHOWN]}" for what, which in found.items() if which]


def _is_of(email_id: int, content: bytes) -> bool:
    """Whether a file is its email's: the variables have the email's number in its job."""
    return f"Zoë {email_id % 100_000}<".encode() in content or f"customer{email_id % 100_000}@".encode() in content
