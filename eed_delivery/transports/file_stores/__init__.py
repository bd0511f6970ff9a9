"""What kinds that put files have in common.

- `time_limits`       how long putting and asking may take
- `bucket_transport`  puts files into a bucket, for channels and for archives
- `folder_connection` what a kind for folders brings: one open connection
- `folder`            a folder of another host, over such a connection
- `folder_transport`  puts files into a folder: under a temporary name first, and renamed when whole and granted
- `folder_kind`       the kind of channel that is made of these
"""

from eed_delivery.model import Accepted, Files
from eed_delivery.runtime import failpoints


def uploaded(message: Files) -> None:
    """The files are there, and none has its name yet."""
    failpoints.reach("files.uploaded", message.email_id)


def named(message: Files) -> None:
    """One more of the files has its name."""
    failpoints.reach("files.named", message.email_id)


def accepted(message: Files, code: int) -> Accepted:
    """The yes of a store of files. `code`: of the store's protocol, for a yes."""
    count = len(message.files)
    return Accepted(f"put {count} {'file' if count == 1 else 'files'}, {message.size:,} bytes", code, None)
