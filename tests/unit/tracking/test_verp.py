"""The envelope sender names the email, survives what servers do to addresses, and cannot be made by anybody else."""

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eed_delivery.errors import ConfigError
from eed_delivery.tracking.bounces.verp import HIGHEST, MAC_CHARS, Verp

SECRET = b"a secret of the tests, 32 bytes!"
DOMAIN = "bounces.bank.example"
numbers = st.one_of(st.integers(0, HIGHEST), st.sampled_from([0, 1, HIGHEST]))


def verp(setting: str = DOMAIN, secret: bytes = SECRET, *former: bytes) -> Verp:
    return Verp(setting, secret, former)


@given(numbers, numbers)
def test_what_was_made_is_read_again_and_fits_an_envelope(email_id: int, gen: int) -> None:
    address = verp().sender(email_id, gen)
    local_part, _, domain = address.partition("@")
    assert domain == DOMAIN
    assert len(local_part) <= 64
    assert re.fullmatch(r"[a-z0-9+._-]+", local_part)
    for seen in (address, address.upper(), f"<{address}>", f" <{address.title()}> \r\n"):
        assert verp().read(seen) == (email_id, gen)


@given(numbers, numbers, st.data())
def test_no_mutated_address_is_accepted(email_id: int, gen: int, data: st.DataObject) -> None:
    address = verp().sender(email_id, gen)
    at = data.draw(st.integers(0, len(address) - 1))
    new = data.draw(st.one_of(st.characters(), st.sampled_from(string.ascii_lowercase + string.digits + "+.-@")))
    kind = data.draw(st.sampled_from(["change", "insert", "remove"]))
    mutated = address[:at] + ("" if kind == "remove" else new) + address[at + (kind != "insert") :]
    if mutated.isascii() and mutated.lower().strip(" \t\r\n<>") == address:
        assert verp().read(mutated) == (email_id, gen)
    else:
        assert verp().read(mutated) is None


@given(st.text(max_size=700))
def test_any_text_is_read_without_an_exception(text: str) -> None:
    assert verp().read(text) is None


@given(numbers, numbers, st.text("abcdefghijklmnopqrstuvwxyz234567", min_size=MAC_CHARS, max_size=MAC_CHARS))
def test_a_guess_is_not_accepted(email_id: int, gen: int, mac: str) -> None:
    if f".{mac}@" not in verp().sender(email_id, gen):
        assert verp().read(f"b+{email_id}.{gen}.{mac}@{DOMAIN}") is None


@pytest.mark.parametrize("form", ["b+٧.1.{}@" + DOMAIN, "b+07.1.{}@" + DOMAIN, "b+7.01.{}@" + DOMAIN, "b+7.1.{}."])
def test_one_email_has_one_address(form: str) -> None:
    mac = verp().sender(7, 1).split(".")[2].split("@")[0]
    assert verp().read(f"b+7.1.{mac}@{DOMAIN}") == (7, 1)
    assert verp().read(form.format(mac)) is None


def test_the_sign_for_kelvin_is_not_a_k() -> None:
    address = next(a for a in (verp().sender(n, 0) for n in range(100)) if "k" in a.split(".")[2])
    assert verp().read(address.replace("k", "\N{KELVIN SIGN}")) is None


def test_the_number_of_one_email_does_not_go_with_the_proof_of_another() -> None:
    assert verp().read(verp().sender(7, 1).replace("b+7.1.", "b+8.1.")) is None
    assert verp().read(verp().sender(7, 1).replace("b+7.1.", "b+7.2.")) is None


def test_an_address_made_with_the_former_secret_is_read_and_none_is_made() -> None:
    before = verp(secret=b"the secret until last month")
    now = verp(DOMAIN, SECRET, b"the secret until last month")
    assert now.read(before.sender(7, 0)) == (7, 0)
    assert now.sender(7, 0) == verp().sender(7, 0) != before.sender(7, 0)
    assert verp().read(before.sender(7, 0)) is None


def test_another_tenant_with_the_same_secret_is_another_tenant() -> None:
    theirs = verp("bounces.shop.example").sender(7, 0)
    assert verp().read(theirs.replace("bounces.shop.example", DOMAIN)) is None


def test_the_setting_may_be_an_address() -> None:
    address = verp("Bounce-{}@Bank.example").sender(7, 0)
    assert address.startswith("bounce-7.0.")
    assert verp("bounce-{}@bank.example").read(address) == (7, 0)


@pytest.mark.parametrize(
    "setting",
    [
        "",
        "localhost",
        "b@bank.example",
        "b+{}{}@bank.example",
        "b+{}@{}.example",
        "{}@bank",
        "b b{}@bank.example",
        "b..{}@bank.example",
        "ü{}@bank.example",
        "b+{}@bänk.example",
        "bounces-of-bank+{}@bank.example",
        "b+{}@-bank.example",
        "b+{}@" + "a" * 190 + ".example",
    ],
)
def test_a_setting_that_makes_no_address_is_refused(setting: str) -> None:
    with pytest.raises(ConfigError):
        verp(setting)


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ConfigError):
        verp(DOMAIN, b"short")
    with pytest.raises(ConfigError):
        verp(DOMAIN, SECRET, b"")


@pytest.mark.parametrize(("email_id", "gen"), [(-1, 0), (0, -1), (HIGHEST + 1, 0), (0, HIGHEST + 1)])
def test_no_address_for_a_number_that_no_email_has(email_id: int, gen: int) -> None:
    with pytest.raises(ValueError, match="no email"):
        verp().sender(email_id, gen)
