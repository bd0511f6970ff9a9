"""Metrics of processes, and what is shipped for Prometheus and Grafana."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from eed_delivery.metrics import observing
from eed_delivery.metrics.directory import exposed, prepare
from eed_delivery.metrics.families import FAMILIES
from eed_delivery.metrics.recording import ProcessFigures
from eed_delivery.operations.figures import FIGURES
from tests.servers import promtool

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "monitoring"
NAMES = {family.name for family in FAMILIES} | {figure.name for figure in FIGURES}
WORK = """
import os, sys
os.environ["PROMETHEUS_MULTIPROC_DIR"] = sys.argv[1]
from eed_delivery.metrics import observing
from eed_delivery.metrics.recording import ProcessFigures
observing.keep(ProcessFigures(sys.argv[2], "0.1.0", "abc"))
for n in range(int(sys.argv[3])):
    observing.count("eed_attempts_total", "sent", "smtp")
    observing.observe_later("eed_attempt_seconds", 0.03, "smtp")
    observing.observe("eed_http_seconds", 0.3)
observing.put("eed_breaker_open", 1, "default")
observing.put("eed_pace_share", 7.0, "default")
observing.flush(at_once=True)
print("done", flush=True)
if sys.argv[4] == "stay":
    sys.stdin.read()
os._exit(9)
"""


def work(directory: Path, times: int, then: str = "die", role: str = "worker") -> "subprocess.Popen[str]":
    """A process that counts and observes so often, and then dies without a word or stays."""
    words = [sys.executable, "-c", WORK, directory, role, times, then]
    process = subprocess.Popen(list(map(str, words)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "done\n"
    if then == "die":
        process.communicate()
    return process


def samples(text: bytes) -> dict[tuple[str, tuple[str, ...]], float]:
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_processes_of_a_host_are_summed_and_the_dead_still_count(tmp_path: Path) -> None:
    prepare(tmp_path, wipe=True)
    for _ in range(3):
        work(tmp_path, 2)
        exposed(tmp_path)
    living = [work(tmp_path, 5, "stay") for _ in range(2)]
    found = samples(exposed(tmp_path))
    assert found["eed_attempts_total", ("smtp", "sent")] == 3 * 2 + 2 * 5
    assert found["eed_attempt_seconds_count", ("smtp",)] == 16
    assert found["eed_attempt_seconds_sum", ("smtp",)] == pytest.approx(16 * 0.03)
    assert found["eed_attempt_seconds_bucket", ("0.02", "smtp")] == 0
    assert found["eed_attempt_seconds_bucket", ("0.05", "smtp")] == 16
    assert found["eed_http_seconds_count", ()] == 16
    assert found["eed_breaker_open", ("default",)] == 1
    assert found["eed_pace_share", ("default",)] == 14.0, "of those that live"
    assert found["eed_build_info", ("abc", "0.1.0")] == 1
    for process in living:
        process.communicate()
    again = samples(exposed(tmp_path))
    assert again["eed_attempts_total", ("smtp", "sent")] == 16
    assert ("eed_breaker_open", ("default",)) not in again, "nobody says so any more"
    assert sorted(path.name for path in tmp_path.glob("*.db")) == ["counter_dead4.db", "histogram_dead4.db"]
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]
    prepare(tmp_path, wipe=False)
    assert samples(exposed(tmp_path)) == again, "a role that starts alone leaves what others have counted"
    prepare(tmp_path, wipe=True)
    assert samples(exposed(tmp_path)) == {}


def test_a_merge_that_is_killed_anywhere_counts_nothing_twice(tmp_path: Path) -> None:
    """The directory as it is between any two steps of a merge."""
    prepare(tmp_path, wipe=True)
    work(tmp_path, 3)
    dead = {path.name: path.read_bytes() for path in tmp_path.glob("counter_*.db")}
    wanted = samples(exposed(tmp_path))
    assert wanted["eed_attempts_total", ("smtp", "sent")] == 3
    ((file, content),) = dead.items()
    merged, batch = tmp_path / "counter_dead1.db", tmp_path / "counter-1"

    batch.mkdir()
    (batch / file).write_bytes(content)
    assert samples(exposed(tmp_path)) == wanted, "it has its file, and what that includes is still there"
    merged.unlink()
    batch.mkdir()
    (batch / file).write_bytes(content)
    (tmp_path / "counter_dead1.new").write_bytes(b"half of it")
    assert samples(exposed(tmp_path)) == wanted, "all is moved, and half is written"
    merged.unlink()
    batch.mkdir()
    (tmp_path / file).write_bytes(content)
    assert samples(exposed(tmp_path)) == wanted, "nothing is moved"
    (tmp_path / "counter_dead0.db").write_bytes(merged.read_bytes())
    assert samples(exposed(tmp_path)) == wanted, "the merge before is still there"


def test_what_is_added_later_is_what_would_have_been_added_at_once() -> None:
    seconds = [0.0, 0.0049, 0.005, 0.0051, 1.0, 7.0, 299.0, 300.0, 301.0, 1e6]
    at_once, later = ProcessFigures("worker", "1", "c"), ProcessFigures("worker", "1", "c")
    for one in seconds:
        at_once.of("eed_attempt_seconds", ("smtp",)).observe(one)
    observing.keep(later)
    try:
        for one in seconds:
            observing.observe_later("eed_attempt_seconds", one, "smtp")
        observing.flush(at_once=True)
    finally:
        observing.keep(None)

    def of(figures: ProcessFigures) -> dict[tuple[str, tuple[str, ...]], float]:
        found = samples(generate_latest(figures.registry))
        return {
            key: value for key, value in found.items() if "_bucket" in key[0] or "_count" in key[0] or "_sum" in key[0]
        }

    assert of(later) == of(at_once)


def test_nothing_is_kept_where_nobody_wants_it() -> None:
    observing.count("eed_attempts_total", "sent", "smtp")
    observing.observe("eed_http_seconds", 1.0)
    observing.observe_later("eed_attempt_seconds", 1.0, "smtp")
    observing.put("eed_breaker_open", 1.0, "default")
    observing.flush()
    for module in ("prometheus_client",):
        code = f"import sys, eed_delivery.cli, eed_delivery.app.parts; sys.exit({module!r} in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_document_lists_each_metric_as_it_is() -> None:
    text = (ROOT / "docs" / "metrics.md").read_text()
    rows = re.findall(r"^\| `(eed_[a-z_]+)` \| (.*) \|$", text, re.MULTILINE)
    wanted = [(f.name, f"{f.kind} | {', '.join(f'`{label}`' for label in f.labels)} | {f.help}") for f in FAMILIES] + [
        (f.name, f"{', '.join(f'`{label}`' for label in f.labels)} | {'yes' if f.unit else ''} | {f.help}")
        for f in FIGURES
    ]
    assert rows == wanted


def test_names_and_help_follow_the_rules() -> None:
    for metric in (*FAMILIES, *FIGURES):
        assert re.fullmatch(r"eed_[a-z0-9_]+", metric.name)
        assert metric.help.endswith(".")
        assert not {"recipient", "address", "email", "key", "file", "reply"} & set(metric.labels)
    for family in FAMILIES:
        assert family.name.endswith("_total") == (family.kind == "counter")
        assert family.name.endswith("_seconds") == (family.kind == "histogram") or family.kind == "gauge"


def named(text: str) -> set[str]:
    """The metrics that an expression names, without the suffixes of histograms."""
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"\beed_[a-z_]+\b", text)}


def test_the_board_and_the_rules_name_metrics_that_exist() -> None:
    board = json.loads((MONITORING / "grafana.json").read_text())
    expressions = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    assert named(" ".join(expressions)) <= NAMES
    assert named(" ".join(expressions)) == NAMES, "each metric has its place on the board"
    rules = yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"][0]["rules"]
    assert named(" ".join(rule["expr"] for rule in rules)) <= NAMES
    headings = re.findall(r"^## (.+)$", (ROOT / "docs" / "runbook.md").read_text(), re.MULTILINE)
    anchors = {f"docs/runbook.md#{re.sub(r'[^a-z0-9_ -]', '', one.lower()).replace(' ', '-')}" for one in headings}
    assert {rule["annotations"]["runbook"] for rule in rules} <= anchors
    tested = (MONITORING / "alerts_test.yml").read_text()
    assert [rule["alert"] for rule in rules if f'"{rule["alert"]}"' not in tested] == []


@pytest.fixture
def tool() -> Path:
    found = promtool.find()
    if found is None:
        assert not promtool.is_required()
        pytest.skip("promtool is not installed (Debian: prometheus). python -m tests.servers.install installs it")
    return found


def test_the_rules_do_what_their_tests_say(tool: Path) -> None:
    for words in (["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]):
        done = subprocess.run([tool, *words], cwd=MONITORING, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_has_no_remark_about_the_metrics_of_processes(tool: Path, tmp_path: Path) -> None:
    prepare(tmp_path, wipe=True)
    process = work(tmp_path, 3, "stay")
    done = subprocess.run([tool, "check", "metrics"], input=exposed(tmp_path), capture_output=True, check=False)
    process.communicate()
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
