"""Standard streams that the caller has closed (`eed-delivery run >&-`) are opened on /dev/null."""

import os
import sys
from pathlib import Path

LAST_STANDARD_DESCRIPTOR = 2


def open_closed_streams() -> None:
    """Make sure that descriptors 0, 1 and 2 are open. To be called before anything else is opened.

    Otherwise a connection to the database would get the free number 1. A child process would take it for its stdout and
    write log lines into it.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= LAST_STANDARD_DESCRIPTOR:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    # Python looked before us, and has None for a stream that was closed. These stay open as long as the process lives.
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115
