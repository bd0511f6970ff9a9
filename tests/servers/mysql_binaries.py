"""A real mysqld for machines whose packages have none: Debian's own of its unstable suite, unpacked, not installed.

    python -m tests.servers.install        # fetches it once: 60 MB, under a minute

Debian's stable suites have MariaDB in MySQL's place. `mysql-server-core` of the unstable one comes with all it needs,
its C library too, and is started by its own loader. It is fetched by apt from the mirror that this machine's apt uses
already, with lists and a configuration of its own. apt checks the archive's signature as it always does. All of it is
kept in one folder (`folder()`), for every clone and every run of this user. A mysqld on the PATH that is no MariaDB
is used instead.
"""

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.servers.database_server import as_root

REQUIRED = "TESTS_REQUIRE_MYSQL"
"""With this variable set to 1 a run that cannot have MySQL fails; otherwise its tests are skipped, with the reason."""
ARCHIVE_KEY = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
SUITE, PACKAGE = "sid", "mysql-server-core"
FETCH_SECONDS = 300
INITIALIZE_SECONDS = 240

_APT_CONFIGURATION = """\
Dir::Etc::sourcelist "{here}/sources.list";
Dir::Etc::sourceparts "-";
Dir::Etc::preferencesparts "-";
Dir::State::lists "{here}/lists";
Dir::State::status "{here}/status";
Dir::Cache "{here}/cache";
Acquire::Languages "none";
Acquire::Retries "1";
Acquire::http::Timeout "20";
Debug::NoLocking "true";
"""


class NotToBeHad(RuntimeError):
    """There is no MySQL for the tests on this machine; the text says why."""


@dataclass(frozen=True)
class Binaries:
    """How mysqld is called, with the options that must come first, and a name for its version."""

    command: tuple[str, ...]
    version: str


def folder() -> Path:
    """Where it is kept: outside of any clone, so that a new one need not fetch it again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "eed-delivery-tests" / "mysql"


@cache
def binaries() -> Binaries:
    """The mysqld that is there. Raises NotToBeHad; nothing is fetched (see `fetch`)."""
    found = find()
    if found is None:
        reason = _reason()
        said = reason.read_text() if reason.exists() else "nobody has tried yet"
        raise NotToBeHad(f"There is no MySQL for the tests. To fetch it: python -m tests.servers.install ({said})")
    return found


def find() -> Binaries | None:
    """The mysqld that is there, if any."""
    return _on_the_path() or _unpacked()


def fetch() -> Binaries:
    """As `binaries`, and fetches it first if it is not there. Raises NotToBeHad, and leaves the reason for those who
    only look."""
    try:
        with _locked():
            if find() is None:
                _unpack_debians()
                _reason().unlink(missing_ok=True)
        return binaries()
    except (OSError, NotToBeHad) as error:
        reason = str(error).strip()
        with contextlib.suppress(OSError):
            _reason().write_text(reason)
        raise NotToBeHad(f"MySQL could not be fetched: {reason}") from error


def new_data_directory() -> Path:
    """What a new server starts on, to be copied: to make it takes 20 seconds, and is done once for each version."""
    found = binaries()
    with _locked():
        made = folder() / f"data-{found.version}"
        if not made.exists():
            with tempfile.TemporaryDirectory(dir=folder()) as temporary:
                being_made = Path(temporary) / "data"
                _run(
                    [*found.command, *as_root(), f"--datadir={being_made}", "--initialize-insecure"], INITIALIZE_SECONDS
                )
                (being_made / "auto.cnf").unlink(missing_ok=True)  # a server's own number: no two may have the same
                being_made.rename(made)
    return made


def _reason() -> Path:
    return folder() / "not-to-be-had.txt"


@contextlib.contextmanager
def _locked() -> Iterator[None]:
    """One process at a time fetches or makes anything."""
    folder().mkdir(parents=True, exist_ok=True)
    with (folder() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _on_the_path() -> Binaries | None:
    """This machine's own mysqld; MariaDB's packages have a link of that name."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
    program = shutil.which("mysqld", path=path)
    if program is None:
        return None
    version = _version((program,))
    return None if "mariadb" in version.lower() else Binaries((program, "--no-defaults"), _name_of(version))


def _unpacked() -> Binaries | None:
    root = folder() / "root"
    loader = next(root.glob("usr/lib/*-linux-gnu*/ld-linux*.so.*"), None)
    if loader is None:
        return None
    command = (
        str(loader),
        "--library-path",
        str(loader.parent),
        str(root / "usr/sbin/mysqld"),
    )
    places = (
        f"--basedir={root / 'usr'}",
        f"--lc-messages-dir={root / 'usr/share/mysql'}",
        f"--character-sets-dir={root / 'usr/share/mysql/charsets'}",
        f"--plugin-dir={root / 'usr/lib/mysql/plugin'}",
    )
    return Binaries((*command, "--no-defaults", *places), _name_of(_version(command)))


def _version(command: tuple[str, ...]) -> str:
    return _run([*command, "--no-defaults", "--version"], 60)


def _name_of(version: str) -> str:
    """`9.7.4-2` of `mysqld  Ver 9.7.4-2 for Linux on x86_64 ((Debian))`."""
    return version.partition("Ver ")[2].split(" ")[0]


def _unpack_debians() -> None:
    """Fetch the package and all it needs, and unpack them into `folder()`."""
    with tempfile.TemporaryDirectory(dir=folder(), prefix="fetching-") as temporary:
        here = Path(temporary)
        here.chmod(0o755)  # apt fetches as a user of its own, if it is started by root
        mirror = _mirror()
        for name in ("lists/partial", "cache/archives/partial", "root"):
            (here / name).mkdir(parents=True)
        (here / "status").touch()  # as if nothing were installed: everything is fetched
        (here / "apt.conf").write_text(_APT_CONFIGURATION.format(here=here))
        # An archive's list says until when it holds; a machine whose clock is wrong would refuse all of them.
        (here / "sources.list").write_text(
            f"deb [signed-by={ARCHIVE_KEY} check-valid-until=no] {mirror} {SUITE} main\n"
        )
        environ = {"APT_CONFIG": str(here / "apt.conf")}
        _run(["apt-get", "-qq", "update"], FETCH_SECONDS, environ)
        _run(["apt-get", "-qq", "-y", "--no-install-recommends", "-d", "install", PACKAGE], FETCH_SECONDS, environ)
        for package in sorted((here / "cache/archives").glob("*.deb")):
            _run(["dpkg-deb", "-x", str(package), str(here / "root")], FETCH_SECONDS)
        (here / "root").rename(folder() / "root")


def _mirror() -> str:
    """The mirror of Debian's archive that this machine's apt is set up for."""
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb") or not ARCHIVE_KEY.exists():
        raise NotToBeHad("this machine is no Debian: it lacks apt-get, dpkg-deb or the archive's key")
    sites = _run(["apt-get", "indextargets", "--format", "$(SITE)"], 60).split()
    mirror = next((site for site in sorted(set(sites)) if site.rstrip("/").endswith("/debian")), None)
    if mirror is None:
        raise NotToBeHad("this machine's apt knows no mirror of Debian's archive")
    return mirror


def _run(command: list[str], seconds: float, environ: dict[str, str] | None = None) -> str:
    """Its output. Raises NotToBeHad with the end of what it said, or if it takes longer."""
    try:
        done = subprocess.run(
            command,
            env={**os.environ, "LC_ALL": "C.UTF-8", **(environ or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotToBeHad(f"{Path(command[0]).name}: {error}") from error
    if done.returncode != 0:
        raise NotToBeHad(f"{Path(command[0]).name} ended with status {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stdout
