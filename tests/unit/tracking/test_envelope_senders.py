"""The envelope sender of each email: its own, signed, where bounces are to come back to us."""

from pathlib import Path

import pytest

from eed_delivery.app.parts import App
from eed_delivery.config import load
from eed_delivery.model import Rendered
from eed_delivery.tracking.bounces.verp import Verp
from tests.unit.rendering.making import email, job
from tests.unit.test_config import GOOD

SECRET = "a secret of the tests, 32 bytes!"
VERP = Verp("bounces.bank.example", SECRET.encode())


def rendered(tmp_path: Path, settings: str = "", **environ: str) -> Rendered:
    path = tmp_path / "eed.toml"
    path.write_text(GOOD + settings)
    renderer = App(load(path, environ)).renderer()
    return renderer.render(renderer.compile(job(sender="Bänk <stätements@bank.example>")), email(email_id=7, gen=2))


@pytest.mark.parametrize("kind", ["smtp", "eml_folder"])
def test_each_email_has_a_sender_of_its_own(tmp_path: Path, kind: str) -> None:
    bounces = {"EED_BOUNCES__ADDRESS": "bounces.bank.example", "EED_BOUNCES__SECRET": f"{SECRET}\n"}
    made = rendered(tmp_path, EED_TRANSPORT__KIND=kind, EED_RENDERING__ENVELOPE_SENDER="b@bank.example", **bounces)
    assert VERP.read(made.envelope_sender) == (7, 2)


def test_its_message_id_proves_whose_it_is(tmp_path: Path) -> None:
    made = rendered(tmp_path, EED_BOUNCES__ADDRESS="bounces.bank.example", EED_BOUNCES__SECRET=SECRET)
    assert made.message_id.startswith("<7.2@") and made.message_id.endswith(".mail.example.com>")
    assert VERP.read_message_id(made.message_id) == (7, 2)
    assert rendered(tmp_path).message_id == "<7.2@mail.example.com>"


def test_ses_tells_by_events(tmp_path: Path) -> None:
    bounces = {"EED_BOUNCES__ADDRESS": "bounces.bank.example", "EED_BOUNCES__SECRET": SECRET}
    keys = {"EED_RENDERING__ENVELOPE_SENDER": "b@bank.example", "EED_TRANSPORT__KIND": "ses", **bounces}
    assert rendered(tmp_path, **keys).envelope_sender == "b@bank.example"


def test_without_it_nothing_is_changed(tmp_path: Path) -> None:
    assert rendered(tmp_path).envelope_sender == "stätements@bank.example"
    assert rendered(tmp_path, EED_RENDERING__ENVELOPE_SENDER="b@bank.example").envelope_sender == "b@bank.example"
