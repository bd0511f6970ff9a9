"""The way to SQS, as boto3 goes it: learned from a request of its own, which is stopped before it leaves."""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore.endpoint import EndpointCreator

from eed_delivery.sqs_calls.connections import PORTS, HttpSettings
from eed_delivery.sqs_calls.signing import Place

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest
    from mypy_boto3_sqs.client import SQSClient

LAST_MOMENT = "before-send.sqs.ReceiveMessage"
"""botocore's event for a request that is signed and ready to be sent."""


class _Enough(Exception):
    """Carries the request; it was not sent."""

    def __init__(self, request: "AWSPreparedRequest") -> None:
        self.request = request


def learn(client: "SQSClient", queue_url: str) -> tuple[Place, str]:
    """Where requests go, and as whom they introduce themselves (`User-Agent`).

    Which endpoint is a region's, and under which region's name a request to it is signed, is written in rules that
    change with botocore; whoever asks botocore needs to know none of them. Raises what a call of boto3's would, when
    there are no credentials for one.
    """
    client.meta.events.register_first(LAST_MOMENT, _stop)
    try:
        client.receive_message(QueueUrl=queue_url)
    except _Enough as enough:
        return _read(enough.request)
    finally:
        client.meta.events.unregister(LAST_MOMENT, _stop)
    raise RuntimeError("botocore has sent a request without saying so")


def http_settings(client: "SQSClient", ca_bundle: str | None) -> HttpSettings:
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


def _read(request: "AWSPreparedRequest") -> tuple[Place, str]:
    headers: dict[str, str] = {name: _text(value) for name, value in request.headers.items()}
    # which begins like this: AWS4-HMAC-SHA256 Credential=AKID/20261123/us-east-1/sqs/aws4_request, SignedHeaders
    scope = headers["Authorization"].partition("Credential=")[2].partition(",")[0].split("/")
    parts = urlsplit(request.url)
    host = parts.netloc.rpartition("@")[2].removesuffix(f":{PORTS[parts.scheme]}")
    return Place(request.url, host, region=scope[-3], service=scope[-2]), headers["User-Agent"]


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
