"""What a server's status means. The protocol has few, and servers say "Failure" of nearly everything.

https://datatracker.ietf.org/doc/html/draft-ietf-secsh-filexfer-02#section-7
OpenSSH's choice: https://github.com/openssh/openssh-portable/blob/master/sftp-server.c (errno_to_portable)
"""

from collections.abc import Mapping

from eed_delivery.transports.file_stores.folder_connection import FolderRefusal

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


def refused(status: SftpStatus) -> FolderRefusal | None:
    """What a refusal means; None if the server has lost the connection."""
    if status.code in (NO_CONNECTION, LOST_CONNECTION):
        return None
    remedy = REMEDIES.get(status.code, "Ask the server's operator")
    said = f"{status.words} (status {status.code})"
    return FolderRefusal(said, remedy, status.code, no_directory=status.code == NO_SUCH_FILE)
