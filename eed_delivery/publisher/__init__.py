"""The publisher turns ready jobs into pending rows, and pending rows into messages.

- `publisher`            one channel's jobs: leased, enlisted, published
- `registrar`            jobs that the source has made ready are registered, and those of unknown channels are held
- `channel_publishers`   a publisher for each channel, each in a loop of its own
- `window`               how many messages may be ahead of the workers
- `destinations`         what may be published where domains have a pace, or are held
- `gate_limit`           nothing is published that could not be sent
- `rehearsal_gate`       only jobs that were rehearsed as they are now start
- `ailing`               what is left alone for a while
"""

from eed_delivery.publisher.ailing import AILING_SECONDS
from eed_delivery.publisher.publisher import SLOW_CHUNK_SECONDS, Publisher
from eed_delivery.publisher.registrar import Registrar

__all__ = ["AILING_SECONDS", "SLOW_CHUNK_SECONDS", "Publisher", "Registrar"]
