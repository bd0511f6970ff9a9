"""A whole postfix of its own, from Debian's package: unpacked, not installed, with its queue in a temporary directory.

    with Postfix({"dead.example": "smtp:[127.0.0.1]:2525", "bounces.bank.example": "lmtp:[127.0.0.1]:2424"}) as postfix:
        postfix.port      # it relays what comes there by these routes, and nothing anywhere else

Its daemons change their user, so it needs root; but no user of its own, and nothing outside its directory.
"""

import grp
import os
import pwd
import shutil
import signal
import smtplib
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from benchmarks.postfix import UNPACKED, find
from tests.servers import end, free_port, start, temporary_directory, wait_until_up

OWNER, GROUP = "mail", "operator"
"""Debian has these on every machine, and nothing of them is used here but that they are no one else's."""
_QUEUES = ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved", "trace")
_SERVICES = (
    "cleanup unix n - n - 0 cleanup",
    "qmgr unix n - n 1 1 qmgr",
    "rewrite unix - - n - - trivial-rewrite",
    "bounce unix - - n - 0 bounce",
    "defer unix - - n - 0 bounce",
    "trace unix - - n - 0 bounce",
    "smtp unix - - n - - smtp",
    "lmtp unix - - n - - lmtp",
    "error unix - - n - - error",
    "retry unix - - n - - error",
    "anvil unix - - n - 1 anvil",
    "postlog unix-dgram n - n - 1 postlogd",
)


def possible() -> bool:
    """Whether postfix can be had, and may be run."""
    return os.geteuid() == 0 and find() is not None


class Postfix:
    """`routes`: where mail for a domain goes, as postfix's transport(5) has it; every other domain is refused."""

    def __init__(self, routes: Mapping[str, str]) -> None:
        self.port = free_port()
        self._directory = temporary_directory("postfix")
        self.log = self._directory / "log"
        self._programs = UNPACKED / "usr/lib/postfix"
        if not self._programs.exists():
            self._programs = Path("/usr/lib/postfix")
        self._lay_out()
        self._configure(routes)

    def __enter__(self) -> "Postfix":
        environ = {"PATH": os.defpath, "POSTLOG_SERVICE": "postlog", "POSTLOG_HOSTNAME": "relay.bank.example"}
        environ["LD_LIBRARY_PATH"] = str(self._programs)
        master = str(self._programs / "sbin/master")
        self._process = start(
            [master, "-d", "-c", str(self._directory / "etc")], self._directory / "master.log", environ
        )
        try:
            wait_until_up(self._process, self._answers, self._directory / "master.log")
        except RuntimeError:
            end(self._process)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        end(self._process)
        shutil.rmtree(self._directory, ignore_errors=True)

    def story(self) -> str:
        """Its log, for people."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def rotate(self) -> None:
        """Rename the log and let the daemons open it anew, as `postfix logrotate` does."""
        self.log.rename(self.log.with_name("log.1"))
        self._process.send_signal(signal.SIGHUP)

    def _answers(self) -> bool:
        try:
            with smtplib.SMTP("127.0.0.1", self.port, timeout=5) as client:
                return client.noop()[0] == 250
        except (OSError, smtplib.SMTPException):
            return False

    def _lay_out(self) -> None:
        """The directories that `postfix check` would make, with the owners that its daemons want."""
        owner, group = pwd.getpwnam(OWNER).pw_uid, grp.getgrnam(GROUP).gr_gid
        self._directory.chmod(0o755)
        for name in ("etc", "spool/pid"):
            (self._directory / name).mkdir(parents=True)
        for name in (*_QUEUES, "../data"):
            made = self._directory / "spool" / name
            made.mkdir(mode=0o700)
            os.chown(made, owner, -1)
        for name, mode in (("maildrop", 0o1730), ("public", 0o2710)):
            made = self._directory / "spool" / name
            made.mkdir()
            os.chown(made, owner, group)
            made.chmod(mode)

    def _configure(self, routes: Mapping[str, str]) -> None:
        etc, spool = self._directory / "etc", self._directory / "spool"
        settings = {
            "compatibility_level": "3.6",
            "queue_directory": spool,
            "data_directory": self._directory / "data",
            "daemon_directory": self._programs / "sbin",
            "shlib_directory": self._programs,
            "meta_directory": etc,
            "mail_owner": OWNER,
            "setgid_group": GROUP,
            "import_environment": f"MAIL_CONFIG POSTLOG_SERVICE POSTLOG_HOSTNAME LD_LIBRARY_PATH={self._programs}",
            "maillog_file": self.log,
            "maillog_file_prefixes": self._directory,
            "myhostname": "relay.bank.example",
            "mydestination": "",
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4",
            "mynetworks": "127.0.0.0/8",
            "alias_maps": "",
            "alias_database": "",
            "local_recipient_maps": "",
            "smtpd_relay_restrictions": "permit_mynetworks, reject",
            "default_transport": "error:5.1.2 no such domain in this test",
            "transport_maps": f"texthash:{etc}/transport",
            "smtp_dns_support_level": "disabled",
            "smtpd_peername_lookup": "no",
            "minimal_backoff_time": "1s",
            "queue_run_delay": "1s",
        }
        (etc / "main.cf").write_text("".join(f"{name} = {value}\n" for name, value in settings.items()))
        (etc / "transport").write_text("".join(f"{domain} {way}\n" for domain, way in routes.items()))
        services = (f"127.0.0.1:{self.port} inet n - n - - smtpd", *_SERVICES)
        (etc / "master.cf").write_text("\n".join((*services, "")))
