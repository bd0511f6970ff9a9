"""What all processes of the service need, loaded in the fork server before they are forked. A role that is started
again is at work a second earlier.

What is loaded stays for good, so no process looks through it for garbage. What each makes afterwards is looked through
less often than Python would, because an email makes hundreds of objects and hardly a cycle. Together that saves some
3 % of an email's CPU (`gc.freeze`, https://docs.python.org/3/library/gc.html).
"""

import gc

import eed_delivery.runtime.light_start

# isort: split
import eed_delivery.app.parts
import eed_delivery.aws.calls
import eed_delivery.links.of_job
import eed_delivery.rendering.files
import eed_delivery.tracking.bounces.verp  # noqa: F401 - imported, all of them, for those who come after
from eed_delivery.aws.sessions import read_descriptions
from eed_delivery.config import Settings

read_descriptions()
Settings.model_rebuild()  # which checks settings, and is made when it is first needed
gc.collect()
gc.freeze()
