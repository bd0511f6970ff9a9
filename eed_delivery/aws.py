"""Sessions with AWS: whose credentials they use, and what all of them share."""

from functools import cache

import boto3
import botocore.session
from botocore.credentials import CredentialResolver, InstanceMetadataProvider
from botocore.loaders import Loader, create_loader
from botocore.utils import InstanceMetadataFetcher

from eed_delivery.config import AwsSettings

SERVICES = ("sqs", "sesv2")
"""What every process of the service calls, or may call."""


def session(settings: AwsSettings) -> boto3.Session:
    """Credentials from where the settings say, and from nowhere else: no silent search through files."""
    core = botocore.session.Session()
    core.register_component("data_loader", _descriptions())
    if settings.credentials == "environment":
        secret, token = settings.secret_access_key, settings.session_token
        return boto3.Session(
            aws_access_key_id=settings.access_key_id.get_secret_value() if settings.access_key_id else None,
            aws_secret_access_key=secret.get_secret_value() if secret else None,
            aws_session_token=token.get_secret_value() if token else None,
            region_name=settings.region,
            botocore_session=core,
        )
    role = InstanceMetadataProvider(InstanceMetadataFetcher(timeout=2, num_attempts=3))
    core.register_component("credential_provider", CredentialResolver([role]))
    return boto3.Session(region_name=settings.region, botocore_session=core)


@cache
def _descriptions() -> Loader:
    """Botocore's descriptions of endpoints and services, in JSON: reading them is four fifths of making a client, so
    it is done once, however many clients there are."""
    return create_loader()


def read_descriptions() -> None:
    """Read them now: what is read before a process forks, its children need not read again."""
    nobody = botocore.session.Session()
    nobody.register_component("data_loader", _descriptions())
    for service in SERVICES:
        nobody.create_client(service, region_name="us-east-1", aws_access_key_id="-", aws_secret_access_key="-")  # noqa: S106 - it calls nobody
