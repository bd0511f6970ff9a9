"""The demo's second act: each of its checks can fail, and the partner's server does what a channel needs."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import paramiko
import pytest

from eed_delivery.demo.configuration import COPIES, PARTNER, PASSWORD
from eed_delivery.demo.partner import USER, PartnerServer
from eed_delivery.demo.second_checks import Arrivals, second_checks
from eed_delivery.ledger.reporting import JobReport
from eed_delivery.model import DEFAULT_CHANNEL, EmailState, JobState

STATEMENTS = {f"{n}.pdf": f"statement {n}".encode() for n in range(3)}
DIGESTS = [hashlib.sha256(content).hexdigest() for content in STATEMENTS.values()]
COUNTS, DOCUMENTS, MANIFESTS = (check.question for check in second_checks({}, Arrivals({}, {}, {}), []))


def store(job: int) -> dict[str, bytes]:
    """What a channel has put: the statements, and the manifest behind them."""
    files = {f"{job}/{name}": content for name, content in STATEMENTS.items()}
    table = b"name,size\r\n"
    listed = [{"name": name, "sha256": hashlib.sha256(content).hexdigest()} for name, content in files.items()]
    said = {"files": listed, "csv": {"name": f"{job}/manifest.csv", "sha256": hashlib.sha256(table).hexdigest()}}
    return files | {f"{job}/manifest.csv": table, f"{job}/manifest.json": json.dumps(said).encode()}


def report(job: int) -> JobReport:
    counts = dict.fromkeys(EmailState, 0) | {EmailState.SENT: 3}
    now = datetime.now(UTC)
    return JobReport(job, str(job), "", JobState.FINISHED, None, 3, 0, True, counts, now, now, 1.0, watched=True)


def failed(arrivals: Arrivals, **reports: JobReport) -> list[str]:
    all_reports = {DEFAULT_CHANNEL: report(2), COPIES: report(3), PARTNER: report(4)} | reports
    return [check.question for check in second_checks(all_reports, arrivals, DIGESTS) if not check.passed]


@pytest.fixture
def good() -> Arrivals:
    return Arrivals(dict(STATEMENTS), store(3), store(4))


def test_a_good_run_passes(good: Arrivals) -> None:
    assert failed(good) == []


@pytest.mark.parametrize("channel", [DEFAULT_CHANNEL, COPIES, PARTNER])
@pytest.mark.parametrize("change", [{"state": JobState.ACTIVE}, {"total": 4}, {"counts": dict.fromkeys(EmailState, 0)}])
def test_a_job_that_does_not_count_the_same_is_seen(good: Arrivals, channel: str, change: dict[str, object]) -> None:
    assert failed(good, **{channel: replace(report(9), **change)}) == [COUNTS]


@pytest.mark.parametrize("where", ["attachments", "objects", "files"])
def test_a_document_that_is_missing_or_another_is_seen(good: Arrivals, where: str) -> None:
    there = dict(getattr(good, where))
    name = next(name for name in there if name.endswith("1.pdf"))
    for content in (None, b"another customer's"):
        spoilt = {key: one for key, one in there.items() if key != name}
        spoilt |= {} if content is None else {name: content}
        seen = failed(replace(good, **{where: spoilt}))
        assert seen == ([DOCUMENTS] if where == "attachments" else [DOCUMENTS, MANIFESTS])


@pytest.mark.parametrize("where", ["objects", "files"])
@pytest.mark.parametrize("ending", [".csv", ".json"])
def test_a_manifest_that_is_missing_or_another_is_seen(good: Arrivals, where: str, ending: str) -> None:
    there = dict(getattr(good, where))
    name = next(name for name in there if name.endswith(ending))
    without = {key: one for key, one in there.items() if key != name}
    assert failed(replace(good, **{where: without})) == [MANIFESTS]
    if ending == ".csv":
        assert failed(replace(good, **{where: without | {name: b"another table"}})) == [MANIFESTS]


def connected(server: PartnerServer, password: str = PASSWORD) -> paramiko.SFTPClient:
    ssh = paramiko.Transport((server.host, server.port))
    ssh.connect(username=USER, password=password)
    client = paramiko.SFTPClient.from_transport(ssh)
    assert client is not None
    return client


def test_the_partner_takes_files_below_its_directory_and_renames_over_none(tmp_path: Path) -> None:
    root = tmp_path / "partner"
    root.mkdir()
    with PartnerServer(root) as server:
        client = connected(server)
        client.mkdir("4")
        for name in ("4/a.part", "4/b.part"):
            with client.open(name, "wx") as file:
                file.write(name.encode())
        client.rename("4/a.part", "4/a.pdf")
        with pytest.raises(OSError):
            client.rename("4/b.part", "4/a.pdf")
        with client.open("../../4/a.pdf") as file:
            assert file.read() == b"4/a.part"
        client.remove("4/b.part")
        assert client.stat("4/a.pdf").st_size == len("4/a.part")
        client.get_channel().get_transport().close()
        with pytest.raises(paramiko.AuthenticationException):
            connected(server, "another password")
    assert [path.name for path in (root / "4").iterdir()] == ["a.pdf"]
