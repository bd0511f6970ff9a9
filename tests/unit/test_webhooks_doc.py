"""docs/webhooks.md: its lines that verify a signature do, and its table has every kind that is told."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eed_delivery.config.webhooks import key_of
from eed_delivery.notices import NoticeKind
from eed_delivery.webhooks.signing import WebhookSigner
from tests.servers.webhook_receiver import FORMER, SECRET

DOCUMENT = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text()
BODY = b'{"type":"email.bounced"}'


@pytest.fixture(scope="module")
def verify() -> Callable[..., bool]:
    (code,) = re.findall(r"^```python\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert len([line for line in code.splitlines() if line and not line.startswith("import")]) <= 10
    names: dict[str, Any] = {}
    exec(code, names)
    found: Callable[..., bool] = names["verify"]
    return found


def headers(now: float) -> dict[str, str]:
    return WebhookSigner([key_of(SECRET), key_of(FORMER)]).headers("msg_1_a", BODY, now)


@pytest.mark.parametrize("secret", [SECRET, FORMER, SECRET.removeprefix("whsec_")])
def test_what_we_sign_is_verified_by_the_documents_lines(verify: Callable[..., bool], secret: str) -> None:
    assert verify(secret, headers(time.time()), BODY)


def test_what_is_forged_changed_or_old_is_not(verify: Callable[..., bool]) -> None:
    now = time.time()
    assert not verify("whsec_" + "A" * 40, headers(now), BODY)
    assert not verify(SECRET, headers(now), BODY + b" ")
    assert not verify(SECRET, {**headers(now), "webhook-id": "msg_2_a"}, BODY)
    assert not verify(SECRET, headers(now - 301), BODY)
    assert not verify(SECRET, {**headers(now - 301), "webhook-timestamp": str(int(now))}, BODY)


def test_every_kind_is_in_the_table() -> None:
    assert re.findall(r"^\| `((?:email|job|operation)\.\w+)` \|", DOCUMENT, re.MULTILINE) == list(NoticeKind)
