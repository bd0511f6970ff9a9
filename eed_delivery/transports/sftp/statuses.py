"""What a server's status means. The protocol has few, and servers say "Failure" of nearly everything.

https://datatracker.ietf.org/doc/html/draft-ietf-secsh-filexfer-02#section-7
OpenSSH's choice: https://github.com/openssh/openssh-portable/blob/master/sftp-server.c (errno_to_portable)
"""

from collections.abc import Mapping

from eed_delivery.errors import DeliveryFailure, InfrastructureFailure
from eed_delivery.transports.remote_folder import FolderConnectionLost
from eed_delivery.untrusted import clean

NO_SUCH_FILE, PERMISSION_DENIED, FAILURE, BAD_MESSAGE, UNSUPPORTED = 2, 3, 4, 5, 8
NO_CONNECTION, LOST_CONNECTION = 6, 7

REMEDIES: Mapping[int, str] = {
    NO_SUCH_FILE: "Check the channel's directory, or set make_directories = true",
    PERMISSION_DENIED: "Ask the server's operator for the right to write there",
    FAILURE: "Its disk or quota may be full. Ask its operator",
    BAD_MESSAGE: "It may not be an SFTP server of version 3",
    UNSUPPORTED: "The server lacks what the channel needs",
}
"""What to do. Another status than these is the server's own."""


class SftpStatus(OSError):
    """A status other than OK, with the server's words."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code = code
        self.words = words


def refused(action: str, path: str, status: SftpStatus) -> DeliveryFailure | FolderConnectionLost:
    """The error of an action that the server refused. A row of them means that all are refused."""
    said = f"{clean(status.words)} (status {status.code})"
    if status.code in (NO_CONNECTION, LOST_CONNECTION):
        return FolderConnectionLost(said)
    remedy = REMEDIES.get(status.code, "Ask the server's operator")
    reply = f"the server refuses to {action} {path[-200:]!r}: {said}. {remedy}"
    return InfrastructureFailure(reply, code=status.code)


def full(free: int) -> InfrastructureFailure:
    """The disk or quota of the server has no room: that concerns every file."""
    return InfrastructureFailure(f"the server's disk is full: {free:,} bytes are free. Ask its operator for room")
