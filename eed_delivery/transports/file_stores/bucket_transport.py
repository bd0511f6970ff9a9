"""Puts files into a bucket, for channels and for archives."""

import time
from collections.abc import Callable

from eed_delivery.aws.s3.bucket import S3Bucket
from eed_delivery.errors import InDoubt, InfrastructureFailure
from eed_delivery.model import Accepted, Files
from eed_delivery.transports import Grant, file_stores
from eed_delivery.transports.file_stores import time_limits
from eed_delivery.transports.file_stores.time_limits import PUT_SECONDS, SETTLE_SECONDS, Clock, TimeLimit

DONE = 200
SENDING_SECONDS = 120.0
"""What we allow for the upload of the last file: the SDK has a timeout for each write, and not for all."""
LAST_FILE_ANSWERS = 3
"""Answers that the last file may wait for: it is put, asked for, and read."""
LAST_QUESTION_ANSWERS = 3
"""Answers that the last file may wait for when it is asked for: what S3 says of it, its content, and a piece."""


def wire_seconds(answer_seconds: float) -> float:
    """See `FileTransport`. `answer_seconds`: how long connecting and an answer may take together."""
    return time_limits.wire_seconds(
        last_file=SENDING_SECONDS + LAST_FILE_ANSWERS * answer_seconds,
        connecting=0,  # with each answer
        last_question=LAST_QUESTION_ANSWERS * answer_seconds,
    )


class BucketTransport:
    """See `FileTransport` for the contract."""

    name = "s3"

    def __init__(self, bucket: S3Bucket, answer_seconds: float, clock: Clock = time.monotonic) -> None:
        """`answer_seconds`: as in `wire_seconds`."""
        self._bucket = bucket
        self._clock = clock
        self.wire_seconds = wire_seconds(answer_seconds)

    def send(self, message: Files, grant: Grant) -> Accepted:
        """See `FileTransport.send`."""
        for file in message.files:
            self._bucket.key(file)  # may be too long
        grant()
        in_time = self._within(PUT_SECONDS, InDoubt)
        for file in message.files:
            in_time()
            self._bucket.put_new(file, in_time)
            file_stores.named(message)
        return file_stores.accepted(message, DONE)

    def settle(self, message: Files) -> Accepted | None:
        """See `FileTransport.settle`."""
        in_time = self._within(SETTLE_SECONDS, InfrastructureFailure)
        return (
            file_stores.accepted(message, DONE)
            if all(self._bucket.has(file, in_time) for file in message.files)
            else None
        )

    def probe(self) -> None:
        """Ask for the bucket. See `Transport.probe`."""
        self._bucket.look()

    def close(self) -> None:
        """Do nothing, because the client belongs to its maker."""

    def _within(self, seconds: float, failure: type[InDoubt | InfrastructureFailure]) -> Callable[[], None]:
        limit = TimeLimit(self._clock, seconds)

        def in_time() -> None:
            if limit.over():
                raise failure(f"S3 needed more than {limit} for the files before this one")

        return in_time
