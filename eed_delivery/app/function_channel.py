"""The channel that the function sends by, for the function and for the tick."""

from eed_delivery.app.sending_app import SendingApp
from eed_delivery.channels.channel import Channel
from eed_delivery.errors import ConfigError, Problem


def function_channel(app: SendingApp) -> Channel:
    """Raises `ConfigError` if the file does not have it."""
    name = app.settings.aws_lambda.channel
    if name not in app.channels:
        remedy = "Give it a section in the function's file. Channels of the ledger are for hosts."
        raise ConfigError([Problem("aws_lambda.channel", f"the file has no channel {name}", remedy)])
    return app.channels[name]
