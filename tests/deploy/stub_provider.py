"""A provider of Terraform that has the AWS provider's schema, and makes up what AWS would answer.

Terraform starts it as a plugin (protocol 6, https://developer.hashicorp.com/terraform/plugin/terraform-plugin-protocol)
and talks to it over a socket. It checks no values: the real provider knows which names and ARNs AWS accepts.
"""

import json
import os
import re
import sys
import tempfile
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import msgpack
from tf.gen import grpc_controller_pb2 as controller
from tf.gen import grpc_controller_pb2_grpc as controller_rpc
from tf.gen import grpc_stdio_pb2_grpc as stdio_rpc
from tf.gen import tfplugin_pb2 as pb
from tf.gen import tfplugin_pb2_grpc as rpc

from tests.deploy.account import ACCOUNT, REGION, SCHEMA

SERVICES = {"cloudwatch": "logs", "db": "rds", "launch": "ec2", "security": "ec2", "vpc": "ec2", "sesv2": "ses"}
DATA = {
    "aws_caller_identity": {"account_id": ACCOUNT, "arn": f"arn:aws:iam::{ACCOUNT}:user/test"},
    "aws_region": {"region": REGION, "name": REGION},
    "aws_partition": {"partition": "aws", "dns_suffix": "amazonaws.com"},
}
UNKNOWN = msgpack.ExtType(0, b"\x00")
SINGLE, LIST, SET = 1, 2, 3
NESTING = {"single": SINGLE, "list": LIST, "set": SET, "struct": LIST}
MAX_BYTES = 64 << 20

Schema = dict[str, Any]


def schema_message(schema: Schema) -> "pb.Schema":
    return pb.Schema(version=0, block=block_message(schema))


def block_message(schema: Schema) -> "pb.Schema.Block":
    block = pb.Schema.Block()
    for name, one in sorted(schema["attributes"].items()):
        required, computed = one.get("required", False), one.get("computed_only", False)
        block.attributes.append(
            pb.Schema.Attribute(
                name=name,
                type=json.dumps(one["type"]).encode(),
                required=required,
                optional=not computed and not required,
                computed=not required,
            )
        )
    for name, one in sorted(schema["blocks"].items()):
        nesting = NESTING[one["nesting"]]
        least, most = (one["min"], one["max"]) if nesting in (LIST, SET) else (0, 0)
        block.block_types.append(
            pb.Schema.NestedBlock(
                type_name=name, nesting=nesting, block=block_message(one), min_items=least, max_items=most
            )
        )
    return block


def pack(value: Any) -> "pb.DynamicValue":
    return pb.DynamicValue(msgpack=msgpack.packb(value))


def unpack(value: "pb.DynamicValue") -> Any:
    return msgpack.unpackb(value.msgpack, strict_map_key=False) if value.msgpack else None


def planned(value: Any, schema: Schema) -> Any:
    """What is known before AWS has answered: all but what only AWS can say."""
    for name, one in schema["attributes"].items():
        if value.get(name) is None and (one.get("computed_only") or name == "id"):
            value[name] = UNKNOWN
    return value


def applied(kind: str, value: dict[str, Any], schema: Schema) -> dict[str, Any]:
    """As if AWS had answered. An ARN has the resource's name in it, so that policies can be read."""
    for name, one in value.items():
        if isinstance(one, msgpack.ExtType):
            value[name] = made_up(kind, name, value, schema["attributes"][name]["type"])
    return value


def made_up(kind: str, attribute: str, value: dict[str, Any], typed: Any) -> Any:
    if typed != "string":
        return {"number": 1, "bool": False}.get(str(typed), {} if typed[0] == "map" else [])
    called = next((v for k, v in value.items() if re.fullmatch(r"(.*_)?name", k) and isinstance(v, str)), kind)
    service = kind.split("_")[1]
    if attribute == "arn" or attribute.endswith("_arn"):
        of = "cloudwatch" if kind == "aws_cloudwatch_metric_alarm" else SERVICES.get(service, service)
        return f"arn:aws:{of}:{REGION}:{ACCOUNT}:{called}"
    if attribute in ("url", "id") and kind == "aws_sqs_queue":
        return f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{called}"
    return f"{called}-{attribute}"


class Provider(rpc.ProviderServicer):
    def __init__(self, schemas: dict[str, Schema]) -> None:
        self._schemas = schemas

    def GetMetadata(self, request: Any, context: Any) -> Any:
        return pb.GetMetadata.Response(
            data_sources=[pb.GetMetadata.DataSourceMetadata(type_name=name) for name in self._of("data.")],
            resources=[pb.GetMetadata.ResourceMetadata(type_name=name) for name in self._of("aws_")],
        )

    def GetProviderSchema(self, request: Any, context: Any) -> Any:
        return pb.GetProviderSchema.Response(
            provider=schema_message(self._schemas["provider"]),
            resource_schemas={name: schema_message(one) for name, one in self._of("aws_").items()},
            data_source_schemas={name: schema_message(one) for name, one in self._of("data.").items()},
        )

    def _of(self, prefix: str) -> dict[str, Schema]:
        return {name.removeprefix("data."): one for name, one in self._schemas.items() if name.startswith(prefix)}

    def ValidateProviderConfig(self, request: Any, context: Any) -> Any:
        return pb.ValidateProviderConfig.Response()

    def ValidateResourceConfig(self, request: Any, context: Any) -> Any:
        return pb.ValidateResourceConfig.Response()

    def ValidateDataResourceConfig(self, request: Any, context: Any) -> Any:
        return pb.ValidateDataResourceConfig.Response()

    def ConfigureProvider(self, request: Any, context: Any) -> Any:
        return pb.ConfigureProvider.Response()

    def StopProvider(self, request: Any, context: Any) -> Any:
        return pb.StopProvider.Response()

    def UpgradeResourceState(self, request: Any, context: Any) -> Any:
        return pb.UpgradeResourceState.Response(upgraded_state=pb.DynamicValue(json=request.raw_state.json))

    def ReadResource(self, request: Any, context: Any) -> Any:
        return pb.ReadResource.Response(new_state=request.current_state, private=request.private)

    def ReadDataSource(self, request: Any, context: Any) -> Any:
        value, schema = unpack(request.config), self._schemas[f"data.{request.type_name}"]
        known = DATA.get(request.type_name, {})
        for name, one in schema["attributes"].items():
            if value.get(name) is None and (name in known or one.get("computed_only") or name == "id"):
                value[name] = known.get(name) or made_up(request.type_name, name, value, one["type"])
        return pb.ReadDataSource.Response(state=pack(value))

    def PlanResourceChange(self, request: Any, context: Any) -> Any:
        proposed, prior = unpack(request.proposed_new_state), unpack(request.prior_state)
        if proposed is not None and prior is None:
            proposed = planned(proposed, self._schemas[request.type_name])
        return pb.PlanResourceChange.Response(planned_state=pack(proposed))

    def ApplyResourceChange(self, request: Any, context: Any) -> Any:
        value = unpack(request.planned_state)
        if value is not None:
            value = applied(request.type_name, value, self._schemas[request.type_name])
        return pb.ApplyResourceChange.Response(new_state=pack(value))


class Controller(controller_rpc.GRPCControllerServicer):
    def __init__(self, server: grpc.Server) -> None:
        self._server = server

    def Shutdown(self, request: Any, context: Any) -> Any:
        self._server.stop(0.1)
        return controller.Empty()


class Stdio(stdio_rpc.GRPCStdioServicer):
    def StreamStdio(self, request: Any, context: Any) -> Any:
        return iter(())


def main() -> None:
    schemas = json.loads(Path(os.environ[SCHEMA]).read_text())["schemas"]
    options = [("grpc.max_send_message_length", MAX_BYTES), ("grpc.max_receive_message_length", MAX_BYTES)]
    server = grpc.server(futures.ThreadPoolExecutor(8), options=options)
    rpc.add_ProviderServicer_to_server(Provider(schemas), server)
    controller_rpc.add_GRPCControllerServicer_to_server(Controller(server), server)
    stdio_rpc.add_GRPCStdioServicer_to_server(Stdio(), server)
    with tempfile.TemporaryDirectory() as folder:
        server.add_insecure_port(f"unix://{folder}/s")
        server.start()
        sys.stdout.write(f"1|6|unix|{folder}/s|grpc|\n")
        sys.stdout.flush()
        server.wait_for_termination()


if __name__ == "__main__":
    main()
