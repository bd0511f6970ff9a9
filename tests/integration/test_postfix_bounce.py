"""A real postfix: it takes an email from us, is refused by the customer's server, and brings us the bounce."""

import pytest

from tests.integration.conftest import NewStack
from tests.servers import free_port, postfix
from tests.servers.postfix import Postfix
from tests.servers.smtp_server import Say, SmtpServer

SECRET = {"EED_BOUNCES__SECRET": "a secret of the tests, 32 bytes!", "EED_BOUNCES__ADDRESS": "bounces.bank.example"}


@pytest.mark.parametrize("protocol", ["lmtp", "smtp"])
def test_what_the_customers_server_refuses_is_a_hard_bounce(new_stack: NewStack, protocol: str) -> None:
    if not postfix.possible():
        pytest.skip("postfix needs root here, or cannot be had")
    port = free_port()
    with SmtpServer() as customers:
        customers.on("RCPT", Say("550 5.1.1 no such user here"), recipient="nobody@shop.example")
        customers.on("RCPT", Say("552 5.2.2 mailbox full"), recipient="full@shop.example")
        routes = {
            "shop.example": f"smtp:[127.0.0.1]:{customers.port}",
            "bounces.bank.example": {"lmtp": "lmtp:inet:", "smtp": "smtp:"}[protocol] + f"[127.0.0.1]:{port}",
        }
        with Postfix(routes) as relay:
            stack = new_stack({"smtp.port": relay.port})
            stack.environ |= {**SECRET, "EED_BOUNCES__LISTEN": f"127.0.0.1:{port}", "EED_BOUNCES__PROTOCOL": protocol}
            ids = stack.add_job(["nobody@shop.example", "full@shop.example", "anna@shop.example"])
            service = stack.start("run")
            wanted = dict(zip(ids, ["hard_bounced", "soft_bounced", None], strict=True))
            try:
                stack.wait_until(
                    lambda: dict(stack.world.execute("SELECT email_id, outcome FROM eed_email")) == wanted,
                    "the bounces are outcomes",
                    60,
                )
            except AssertionError as error:
                raise AssertionError(f"{error}\n--- postfix\n{relay.story()}") from None
            assert service.terminate() == 0
    assert stack.world.execute("SELECT address FROM eed_suppression") == [("nobody@shop.example",)]
    assert set(stack.counts()) == {"sent"}  # the relay had taken them all: that is another axis
    (kept,) = stack.world.execute("SELECT enhanced, detail FROM eed_event WHERE outcome = 'hard_bounced'")
    assert kept[0] == "5.1.1"
    assert "no such user" in kept[1]
    assert "nobody@" not in kept[1] + service.log.read_text()
