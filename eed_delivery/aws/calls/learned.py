"""The way to a service, as boto3 goes it: learned from a request of its own, which is stopped before it leaves."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore import xform_name
from botocore.client import BaseClient
from botocore.endpoint import EndpointCreator

from eed_delivery.aws.calls.connections import PORTS, HttpSettings
from eed_delivery.aws.calls.signing import NEW_EACH_TIME, Place

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest


@dataclass(frozen=True, slots=True)
class Way:
    """What all requests of one action have in common.

    `signed`: the header fields that the signature covers and that are always the same, but for `Host`, by their names
    in small letters. `user_agent`: as whom they introduce themselves.
    """

    place: Place
    signed: Mapping[str, str]
    user_agent: str


class _Enough(Exception):
    """Carries the request; it was not sent."""

    def __init__(self, request: "AWSPreparedRequest") -> None:
        self.request = request


def learn(client: BaseClient, action: str, wanted: Mapping[str, Any]) -> Way:
    """The way of an action, which boto3 is asked for with the parameters `wanted`.

    Which endpoint is a region's, and under which region's name a request to it is signed, is written in rules that
    change with botocore; whoever asks botocore needs to know none of them. Raises what a call of boto3's would, when
    there are no credentials for one.
    """
    # botocore's event for a request that is signed and ready to be sent
    last_moment = f"before-send.{client.meta.service_model.service_id.hyphenize()}.{action}"
    client.meta.events.register_first(last_moment, _stop)
    try:
        getattr(client, xform_name(action))(**wanted)
    except _Enough as enough:
        return _read(enough.request)
    finally:
        client.meta.events.unregister(last_moment, _stop)
    raise RuntimeError("botocore has sent a request without saying so")


def http_settings(client: BaseClient, ca_bundle: str | None) -> HttpSettings:
    """What botocore connects with: timeouts, proxies, and whom it believes. `ca_bundle`: the session's setting."""
    config: Any = client.meta.config
    endpoint: Any = EndpointCreator(client.meta.events).create_endpoint(
        client.meta.service_model,
        region_name=client.meta.region_name,
        endpoint_url=client.meta.endpoint_url,
        verify=ca_bundle,  # type: ignore[arg-type]  # the stubs know of no file,
        timeout=(config.connect_timeout, config.read_timeout),  # type: ignore[arg-type]  # nor of two timeouts
        max_pool_connections=config.max_pool_connections,
        proxies=config.proxies,
        client_cert=config.client_cert,
        http_session_cls=HttpSettings,  # type: ignore[arg-type]
    )
    settings: HttpSettings = endpoint.http_session
    return settings


def _stop(request: "AWSPreparedRequest", **_: object) -> None:
    raise _Enough(request)


def _read(request: "AWSPreparedRequest") -> Way:
    fields: dict[str, str] = {name.lower(): _text(value) for name, value in request.headers.items()}
    # which begins like this: AWS4-HMAC-SHA256 Credential=AKID/20261123/us-east-1/sqs/aws4_request, SignedHeaders=a;b,
    passport = fields["authorization"]
    scope = passport.partition("Credential=")[2].partition(",")[0].split("/")
    names = passport.partition("SignedHeaders=")[2].partition(",")[0].split(";")
    parts = urlsplit(request.url)
    host = parts.netloc.rpartition("@")[2].removesuffix(f":{PORTS[parts.scheme]}")
    place = Place(request.url, host, region=scope[-3], service=scope[-2])
    return Way(place, {name: fields[name] for name in names if name not in NEW_EACH_TIME}, fields["user-agent"])


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
