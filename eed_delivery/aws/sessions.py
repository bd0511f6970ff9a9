"""Sessions with AWS: whose credentials they use, and what all of them share."""

from functools import cache
from typing import TYPE_CHECKING

import botocore.session
from botocore.credentials import ContainerProvider, CredentialResolver, InstanceMetadataProvider
from botocore.loaders import Loader, create_loader
from botocore.utils import InstanceMetadataFetcher

from eed_delivery.config import AwsSettings

if TYPE_CHECKING:
    import boto3

SERVICES = ("sqs", "sesv2")
"""What every process of the service calls, or may call."""


def session(settings: AwsSettings) -> "boto3.Session":
    """Credentials from where the settings say, and from nowhere else. Files are not searched silently."""
    import boto3  # it loads what moves large files over S3, which few processes do

    return boto3.Session(botocore_session=core(settings))


def core(settings: AwsSettings) -> botocore.session.Session:
    """What is beneath such a session."""
    made = botocore.session.Session()
    made.register_component("data_loader", _descriptions())
    made.set_config_variable("region", settings.region)
    # Neither AWS_ENDPOINT_URL nor a shared file leads elsewhere: only our settings may, and they are checked.
    # https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
    made.set_config_variable("ignore_configured_endpoint_urls", True)
    if settings.credentials == "environment":
        key, secret, token = settings.access_key_id, settings.secret_access_key, settings.session_token
        if key and secret:
            made.set_credentials(
                key.get_secret_value(), secret.get_secret_value(), token.get_secret_value() if token else None
            )
        return made
    role = (
        # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html
        ContainerProvider()
        if settings.credentials == "container"
        else InstanceMetadataProvider(InstanceMetadataFetcher(timeout=2, num_attempts=3))
    )
    made.register_component("credential_provider", CredentialResolver([role]))
    return made


@cache
def _descriptions() -> Loader:
    """Botocore's descriptions of endpoints and services, in JSON. Reading them is four fifths of making a client, so it
    is done once for all clients."""
    return create_loader()


def read_descriptions() -> None:
    """Read them now. What is read before a process forks, its children need not read again."""
    nobody = botocore.session.Session()
    nobody.register_component("data_loader", _descriptions())
    for service in SERVICES:
        nobody.create_client(service, region_name="us-east-1", aws_access_key_id="-", aws_secret_access_key="-")  # noqa: S106 - it calls nobody
