"""The process of the demo's page: `python -m eed_delivery.demo.page_process CONFIG`.

It has the role `operators`, and a user who comes in by a link that works once. It needs the packages of the extra
`operators`, and nothing else of the demo imports them.
"""

import secrets
import signal
import sys
import threading
from pathlib import Path

from eed_delivery import logs
from eed_delivery.app.heartbeats import heartbeat
from eed_delivery.app.operations import Operations
from eed_delivery.app.operators import run
from eed_delivery.app.parts import App
from eed_delivery.config import Settings, load
from eed_delivery.demo.page import link_path
from eed_delivery.ledger.actor import SERVICE
from eed_delivery.operations.access import EXTRA_RIGHTS, NewUserRequest, OperatorRole
from eed_delivery.operators.one_time_login import LoginLink
from eed_delivery.runtime.loop import Pulse

USER = "demo"


def main() -> None:
    """Answer until SIGTERM."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    settings = load(Path(sys.argv[1]))
    secret = settings.operators.secret or sys.exit("operators.secret is not set. The demo itself starts this process.")
    link = LoginLink(link_path(secret.get_secret_value()), USER)
    logs.configure(settings.logs, role="operators")
    _add_user(settings)
    pulse = Pulse()
    with heartbeat(App(settings, stop), "operators", stop, pulse):
        run(settings, stop, pulse, link)


def _add_user(settings: Settings) -> None:
    """With all rights, so that everything can be tried. The password is random, and is not kept."""
    users = Operations(settings, SERVICE).users
    users.add(NewUserRequest(USER, secrets.token_urlsafe(32), OperatorRole.ADMIN, tuple(EXTRA_RIGHTS)))


if __name__ == "__main__":
    main()
