"""What a server's reply means (RFC 959, section 4.2). A row of refusals means that all are refused."""

from collections.abc import Mapping

from eed_delivery.errors import DeliveryFailure, InfrastructureFailure, PermanentFailure, TransientFailure
from eed_delivery.transports.file_stores.folder_connection import FolderRefusal

CLOSING = 421
UNAVAILABLE, NAME_REFUSED = 550, 553
_NO_COMMAND = "The server lacks a command that the channel needs. Ask its operator"

REMEDIES: Mapping[int, str] = {
    425: "The server must allow passive data connections (PASV, EPSV)",
    426: "The transfer was broken off",
    450: "The file is in use. It is tried again",
    451: "The server had an error of its own. Ask its operator",
    452: "Its disk is full. Ask its operator for room",
    500: _NO_COMMAND,
    502: _NO_COMMAND,
    504: _NO_COMMAND,
    521: "The server wants no TLS for data connections",
    522: "The server wants data connections to resume the TLS session of the control connection",
    530: "Check username and password",
    532: "The server wants an account to store files",
    534: "The server wants no TLS",
    550: "Check the directory, and the right to write there",
    552: "The quota is used up. Ask the server's operator for room",
    553: "Correct the channel's path",
}
"""What to do, by the reply's code. Codes from 521 on that are not RFC 959's are RFC 4217's and servers' own."""
_THIS_FILE: Mapping[int, type[DeliveryFailure]] = {450: TransientFailure, 553: PermanentFailure}


def code_of(reply: str) -> int:
    """The code of a reply in words; 0 where it has none."""
    return int(reply[:3]) if reply[:3].isdigit() else 0


def refused(reply: str) -> FolderRefusal | None:
    """What a refusal means; None if the server closes the connection."""
    code = code_of(reply)
    if code == CLOSING:
        return None
    remedy = REMEDIES.get(code, "Ask the server's operator")
    kept = None if remedy == _NO_COMMAND else code or None
    failure = _THIS_FILE.get(code, InfrastructureFailure)
    return FolderRefusal(reply, remedy, kept, failure, no_directory=code in (UNAVAILABLE, NAME_REFUSED))
