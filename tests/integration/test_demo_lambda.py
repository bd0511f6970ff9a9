"""The demo of functions, small: API, tick and sending function under AWS's own runtime client and emulator."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from eed_delivery.cli import cli
from eed_delivery.demo.lambda_play import LambdaDemo, LambdaDemoFailed
from tests.servers import lambda_emulator

EMAILS = 20


@pytest.fixture(scope="module")
def program() -> Path:
    reason = lambda_emulator.missing()
    if reason is not None:
        assert not lambda_emulator.is_required(), reason
        pytest.skip(f"the functions cannot be run as AWS does: {reason}")
    return lambda_emulator.fetch()


def test_it_sends_by_functions_and_balances(program: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    passed = LambdaDemo(tmp_path / "out", EMAILS, program, "eed-delivery", sandboxes=1).play()
    said = capsys.readouterr().out
    assert passed, said
    assert "registered now" in said
    assert f"{EMAILS} ended: balances" in said
    assert said.count("  yes  ") == 7
    assert "  NO " not in said
    for log in ("api.log", "tick.log", "sending-1.log"):
        assert "REPORT RequestId" in (tmp_path / "out" / log).read_text(), log


def test_a_program_that_is_no_emulator_ends_it_with_a_reason(tmp_path: Path) -> None:
    false = tmp_path / "false"
    false.write_text("#!/bin/sh\nexit 1\n")
    false.chmod(0o755)
    with pytest.raises(LambdaDemoFailed, match="did not start"):
        LambdaDemo(tmp_path / "out", 10, false, "eed-delivery").play()


def test_functions_do_not_run_on(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["demo", "--lambda", __file__, "--keep-running"])
    assert done.exit_code == 2
    assert "give --lambda or --keep-running" in done.output
