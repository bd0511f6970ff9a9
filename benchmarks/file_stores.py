"""Files into S3 and by SFTP: files a second and CPU each, beside what people would use in place of a channel.

    python -m benchmarks.file_stores                        50,000 files of 60 KB; nothing else should run
    python -m benchmarks.file_stores --files 500            a look

Ours reads each file, hashes it, puts it by the kind's transport, and asks for a grant that always says yes: no database
and no queue. `aws s3 cp --recursive` and `sftp -b` read the same files. Neither looks whether a name is taken, and
`sftp -b` writes to the name itself. The stores are ministack and OpenSSH on this machine, and their CPU is not counted.
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
from collections.abc import Callable, Sequence
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


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="eed-bench-files-") as made:
        source = Path(made)
        source.chmod(0o755)
        _make(source, options.files, options.bytes)
        print(f"{'':<28}{'files':>8}{'files/s':>12}{'CPU ms each':>14}")
        for run in (_s3, _aws_cli, _sftp, _openssh):
            print(run(source, options.files, options.threads), flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=50_000)
    parser.add_argument("--bytes", type=int, default=60_000)
    parser.add_argument("--threads", type=int, default=10, help="of ours; aws s3 cp has 10 by itself")
    return parser.parse_args()


def _make(source: Path, count: int, size: int) -> None:
    """Files of noise, as PDFs are to a compressor."""
    for number in range(count):
        (source / f"statement-{number:06}.pdf").write_bytes(os.urandom(size))


def _s3(source: Path, count: int, threads: int) -> StoreRun:
    with MiniStack() as server:
        client = server.client("s3")
        client.create_bucket(Bucket=BUCKET)
        settings = {"bucket": BUCKET, "region": REGION, "endpoint_url": server.endpoint_url}
        run = _ours("s3", settings, KindSurroundings(threads=threads), source, count)
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        return _complete(run, sum(page["KeyCount"] for page in pages))


def _sftp(source: Path, count: int, threads: int) -> StoreRun:
    with OpenSsh() as server:
        login = {"username": server.user, "private_key": "env:KEY"}
        settings = {"host": "127.0.0.1", "port": server.port, "host_key": server.host_key, **login}
        surroundings = KindSurroundings({"env:KEY": server.private_key}, threads)
        run = _ours("sftp", settings, surroundings, source, count)
        return _complete(run, len(list((server.root / "job-1").iterdir())))


def _ours(kind: str, settings: dict[str, Any], surroundings: KindSurroundings, source: Path, count: int) -> StoreRun:
    make = kinds()[kind].make(kinds()[kind].settings(**settings), surroundings)
    paths, threads = sorted(source.iterdir()), surroundings.threads

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

    return _measured(f"{kind}, ours", count, resource.RUSAGE_SELF, all_of_them)


def _complete(run: StoreRun, arrived: int) -> StoreRun:
    if arrived != run.files:
        sys.exit(f"{run.name}: {arrived} of {run.files} files arrived")
    return run


def _aws_cli(source: Path, count: int, threads: int) -> StoreRun:
    program = shutil.which("aws", path=str(Path(sys.executable).parent)) or shutil.which("aws")
    if program is None:
        sys.exit("aws s3 cp is not installed: make .venv/.installed-bench")
    with MiniStack() as server:
        server.client("s3").create_bucket(Bucket=BUCKET)
        command = [program, "s3", "cp", "--recursive", "--quiet", "--endpoint-url", server.endpoint_url]
        keys = {"AWS_ACCESS_KEY_ID": ACCESS_KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY}
        environ = {**os.environ, **keys, "AWS_DEFAULT_REGION": REGION}
        return _peer("aws s3 cp --recursive", count, [*command, str(source), f"s3://{BUCKET}/job-1/"], environ)


def _openssh(source: Path, count: int, threads: int) -> StoreRun:
    with OpenSsh() as server, tempfile.TemporaryDirectory() as made:
        key, known, batch = (Path(made) / name for name in ("key", "known_hosts", "batch"))
        key.write_text(server.private_key)
        key.chmod(0o600)
        known.write_text(f"[127.0.0.1]:{server.port} {server.host_key}\n")
        batch.write_text("mkdir job-1\n" + "".join(f"put {path} job-1/{path.name}\n" for path in source.iterdir()))
        command = ["sftp", "-q", "-b", str(batch), "-P", str(server.port), "-i", str(key)]
        trust = ["-o", f"UserKnownHostsFile={known}", "-o", "StrictHostKeyChecking=yes", "-F", "none"]
        return _peer("sftp -b", count, [*command, *trust, f"{server.user}@127.0.0.1"], dict(os.environ))


def _peer(name: str, count: int, command: Sequence[str], environ: dict[str, str]) -> StoreRun:
    def run() -> None:
        subprocess.run(command, env=environ, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    return _measured(name, count, resource.RUSAGE_CHILDREN, run)


def _measured(name: str, count: int, whose: int, run: Callable[[], Any]) -> StoreRun:
    before, begin = resource.getrusage(whose), time.monotonic()
    run()
    seconds, after = time.monotonic() - begin, resource.getrusage(whose)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return StoreRun(name, count, seconds, cpu)


if __name__ == "__main__":
    main()
