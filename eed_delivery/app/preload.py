"""What all processes of the service need, loaded in the fork server before they are forked. A role that is started
again is at work a second earlier."""

import eed_delivery.app.parts  # noqa: F401 - imported for those who come after
from eed_delivery.aws.sessions import read_descriptions

read_descriptions()
