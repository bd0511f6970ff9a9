"""Files into S3 and by SFTP: files a second and CPU each, beside what people would use in place of a channel.

    python -m benchmarks.file_stores                        50,000 files of 60 KB; nothing else should run
    python -m benchmarks.file_stores --files 2000           a look

Ours reads each file, hashes it, puts it by the kind's transport, and asks for a grant that always says yes: no database
and no queue. `aws s3 cp --recursive` and `sftp -b` read the same files. Neither looks whether a name is taken, and
`sftp -b` writes to the name itself. The stores are ministack and OpenSSH on this machine, and their CPU is not counted.

The files are put in rounds, and a store is emptied after each one, which is not measured. With 10,000 files of 60 KB a
round, the disk holds 1.2 GB, or ministack's memory half of it.
"""

import argparse
import hashlib
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eed_delivery.model import File, Files
from eed_delivery.transports.kind import kinds
from tests.contract.file_stores import BUCKET, KindSurroundings
from tests.servers.ministack import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY, MiniStack
from tests.servers.openssh import OpenSsh


@dataclass(frozen=True)
class StoreRun:
    """One row. `cpu_seconds`: of the client, in user and system."""

    name: str
    files: int
    seconds: float
    cpu_seconds: float

    def __str__(self) -> str:
        rate, each = self.files / self.seconds, 1000 * self.cpu_seconds / self.files
        return f"{self.name:<28}{self.files:>8,}{rate:>12,.0f}{each:>14.2f}"


@dataclass(frozen=True)
class Rounds:
    """What is put: all files of `source`, `count` times. `threads`: of ours."""

    source: Path
    count: int
    threads: int

    @property
    def paths(self) -> list[Path]:
        """The files of a round."""
        return sorted(self.source.iterdir())


def main() -> None:
    options = _options()
    rounds, rest = divmod(options.files, min(options.round, options.files))
    if rest:
        sys.exit(f"--files {options.files} is no multiple of --round {options.round}")
    with tempfile.TemporaryDirectory(prefix="eed-bench-files-") as made:
        source = Path(made)
        source.chmod(0o755)
        _make(source, options.files // rounds, options.bytes)
        print(f"{'':<28}{'files':>8}{'files/s':>12}{'CPU ms each':>14}")
        for run in (_s3, _aws_cli, _sftp, _openssh):
            print(run(Rounds(source, rounds, options.threads)), flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=50_000)
    parser.add_argument("--round", type=int, default=10_000, help="files on the disk at a time, and their copies")
    parser.add_argument("--bytes", type=int, default=60_000)
    parser.add_argument("--threads", type=int, default=10, help="of ours; aws s3 cp has 10 by itself")
    return parser.parse_args()


def _make(source: Path, count: int, size: int) -> None:
    """Files of noise, as PDFs are to a compressor."""
    for number in range(count):
        (source / f"statement-{number:06}.pdf").write_bytes(os.urandom(size))


def _s3(rounds: Rounds) -> StoreRun:
    with _bucket() as server:
        settings = {"bucket": BUCKET, "region": REGION, "endpoint_url": server.endpoint_url}
        put = _ours("s3", settings, KindSurroundings(threads=rounds.threads), rounds)
        return _measured("s3, ours", rounds, resource.RUSAGE_SELF, put, lambda: _empty_bucket(server))


def _aws_cli(rounds: Rounds) -> StoreRun:
    program = shutil.which("aws", path=str(Path(sys.executable).parent)) or shutil.which("aws")
    if program is None:
        sys.exit("aws s3 cp is not installed: make .venv/.installed-bench")
    with _bucket() as server:
        command = [program, "s3", "cp", "--recursive", "--quiet", "--endpoint-url", server.endpoint_url]
        keys = {"AWS_ACCESS_KEY_ID": ACCESS_KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY}
        put = _peer([*command, str(rounds.source), f"s3://{BUCKET}/job-1/"], {**keys, "AWS_DEFAULT_REGION": REGION})
        name = "aws s3 cp --recursive"
        return _measured(name, rounds, resource.RUSAGE_CHILDREN, put, lambda: _empty_bucket(server))


def _sftp(rounds: Rounds) -> StoreRun:
    with OpenSsh() as server:
        login = {"username": server.user, "private_key": "env:KEY"}
        settings = {"host": "127.0.0.1", "port": server.port, "host_key": server.host_key, **login}
        put = _ours("sftp", settings, KindSurroundings({"env:KEY": server.private_key}, rounds.threads), rounds)
        return _measured("sftp, ours", rounds, resource.RUSAGE_SELF, put, lambda: _empty_folder(server.root / "job-1"))


def _openssh(rounds: Rounds) -> StoreRun:
    with OpenSsh() as server, tempfile.TemporaryDirectory() as made:
        key, known, batch = (Path(made) / name for name in ("key", "known_hosts", "batch"))
        key.write_text(server.private_key)
        key.chmod(0o600)
        known.write_text(f"[127.0.0.1]:{server.port} {server.host_key}\n")
        batch.write_text("mkdir job-1\n" + "".join(f"put {path} job-1/{path.name}\n" for path in rounds.paths))
        command = ["sftp", "-q", "-b", str(batch), "-P", str(server.port), "-i", str(key)]
        trust = ["-o", f"UserKnownHostsFile={known}", "-o", "StrictHostKeyChecking=yes", "-F", "none"]
        put = _peer([*command, *trust, f"{server.user}@127.0.0.1"], {})
        return _measured("sftp -b", rounds, resource.RUSAGE_CHILDREN, put, lambda: _empty_folder(server.root / "job-1"))


@contextmanager
def _bucket() -> Iterator[MiniStack]:
    with MiniStack() as server:
        server.client("s3").create_bucket(Bucket=BUCKET)
        yield server


def _empty_bucket(server: MiniStack) -> int:
    """Remove all objects, and return how many there were."""
    client, removed = server.client("s3"), 0
    while found := client.list_objects_v2(Bucket=BUCKET).get("Contents"):
        client.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": one["Key"]} for one in found]})
        removed += len(found)
    return removed


def _empty_folder(folder: Path) -> int:
    """Remove a folder, and return how many files were in it."""
    found = len(list(folder.iterdir()))
    shutil.rmtree(folder)
    return found


def _ours(kind: str, settings: dict[str, Any], surroundings: KindSurroundings, rounds: Rounds) -> Callable[[], None]:
    make = kinds()[kind].make(kinds()[kind].settings(**settings), surroundings)
    paths, threads = rounds.paths, rounds.threads

    def put(number: int) -> None:
        transport: Any = make()
        for path in paths[number::threads]:
            content = path.read_bytes()
            digest = hashlib.sha256(content).hexdigest()
            file = File(f"job-1/{path.name}", content, "application/pdf", digest)
            transport.send(Files(0, 0, (file,)), lambda: None)
        transport.close()

    def all_of_them() -> None:
        working = [threading.Thread(target=put, args=(number,)) for number in range(threads)]
        for thread in working:
            thread.start()
        for thread in working:
            thread.join()

    return all_of_them


def _peer(command: Sequence[str], environ: dict[str, str]) -> Callable[[], None]:
    """Another program, which puts all files of a round."""

    def put() -> None:
        given = {**os.environ, **environ}
        subprocess.run(command, env=given, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    return put


def _measured(name: str, rounds: Rounds, whose: int, put: Callable[[], None], empty: Callable[[], int]) -> StoreRun:
    """Put all rounds. `empty` removes a round's files, and says how many have arrived."""
    seconds = cpu = 0.0
    files = len(rounds.paths)
    for _ in range(rounds.count):
        before, begin = resource.getrusage(whose), time.monotonic()
        put()
        seconds, after = seconds + time.monotonic() - begin, resource.getrusage(whose)
        cpu += after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        if (arrived := empty()) != files:
            sys.exit(f"{name}: {arrived} of {files} files arrived")
    return StoreRun(name, files * rounds.count, seconds, cpu)


if __name__ == "__main__":
    main()
