"""How boto3 sends a request, learned from one of its own that is stopped before it leaves."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore import xform_name
from botocore.client import BaseClient
from botocore.endpoint import EndpointCreator

from eed_delivery.aws.calls.connections import PORTS, HttpSettings
from eed_delivery.aws.calls.signing import NEW_EACH_TIME, ServiceEndpoint

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest


@dataclass(frozen=True, slots=True)
class LearnedRequest:
    """What all requests of one action have in common.

    `signed` are the header fields that the signature covers and that never change, without `Host`, by their names in
    small letters. `user_agent` is the value of `User-Agent`.
    """

    endpoint: ServiceEndpoint
    signed: Mapping[str, str]
    user_agent: str


class _Enough(Exception):
    """Carries the request, which was not sent."""

    def __init__(self, request: "AWSPreparedRequest") -> None:
        self.request = request


def learn(client: BaseClient, action: str, wanted: Mapping[str, Any]) -> LearnedRequest:
    """What boto3's requests of an action have in common. boto3 makes one with the parameters `wanted`.

    botocore's rules say which endpoint a region has, and under which region's name a request to it is signed. They
    change with its versions, and nothing here depends on them. Without credentials it raises what boto3's call would.
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
    """What botocore connects with: timeouts, proxies and authorities. `ca_bundle` is the session's setting."""
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


def _read(request: "AWSPreparedRequest") -> LearnedRequest:
    fields: dict[str, str] = {name.lower(): _text(value) for name, value in request.headers.items()}
    # which begins like this: AWS4-HMAC-SHA256 Credential=AKID/20261123/us-east-1/sqs/aws4_request, SignedHeaders=a;b,
    passport = fields["authorization"]
    scope = passport.partition("Credential=")[2].partition(",")[0].split("/")
    names = passport.partition("SignedHeaders=")[2].partition(",")[0].split(";")
    parts = urlsplit(request.url)
    host = parts.netloc.rpartition("@")[2].removesuffix(f":{PORTS[parts.scheme]}")
    endpoint = ServiceEndpoint(request.url, host, region=scope[-3], service=scope[-2])
    return LearnedRequest(
        endpoint, {name: fields[name] for name in names if name not in NEW_EACH_TIME}, fields["user-agent"]
    )


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
