"""What a CloudFormation template declares, with its parameters and references filled in."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.account import ACCOUNT, REGION

PSEUDO = {"AWS::Partition": "aws", "AWS::Region": REGION, "AWS::AccountId": ACCOUNT}
NOTHING = object()
"""`AWS::NoValue`: what is left out."""


class Template:
    """A template with these parameters. The others have their defaults."""

    def __init__(self, path: Path, **parameters: str) -> None:
        self._template = yaml.safe_load(path.read_text())
        given = {name: one.get("Default") for name, one in self._template["Parameters"].items()}
        self._values: dict[str, Any] = {**given, **parameters, **PSEUDO, "AWS::NoValue": NOTHING}

    def resources(self, kind: str) -> dict[str, dict[str, Any]]:
        """The properties of all resources of a kind, such as `AWS::SQS::Queue`."""
        found = self._template["Resources"].items()
        wanted = {name: one for name, one in found if one["Type"] == kind and self._is_made(one)}
        return {name: self._filled(one["Properties"]) for name, one in wanted.items()}

    def deletion_policies(self, kind: str) -> set[str]:
        resources = self._template["Resources"].values()
        return {one.get("DeletionPolicy", "Delete") for one in resources if one["Type"] == kind}

    def _is_made(self, resource: Mapping[str, Any]) -> bool:
        return "Condition" not in resource or self._holds(resource["Condition"])

    def _holds(self, condition: str) -> bool:
        return bool(self._filled(self._template["Conditions"][condition]))

    def _filled(self, value: Any) -> Any:
        if isinstance(value, list):
            return [one for one in map(self._filled, value) if one is not NOTHING]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, of),) = value.items()
            if name == "Ref" or name.startswith("Fn::"):
                return getattr(self, f"_{name.removeprefix('Fn::').lower()}")(of)
        return {
            name: one for name, one in ((name, self._filled(one)) for name, one in value.items()) if one is not NOTHING
        }

    def _ref(self, name: str) -> Any:
        return self._values[name] if name in self._values else self._arn(name)

    def _getatt(self, of: list[str]) -> str:
        assert of[1] == "Arn"
        return self._arn(of[0])

    def _arn(self, name: str) -> str:
        one = self._template["Resources"][name]
        service = one["Type"].split("::")[1].lower()
        called = next(value for key, value in one["Properties"].items() if key.endswith("Name"))
        return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{self._filled(called)}"

    def _sub(self, text: str) -> str:
        return re.sub(r"\$\{([\w:]+)\}", lambda found: str(self._ref(found[1])), text)

    def _if(self, of: list[Any]) -> Any:
        return self._filled(of[1] if self._holds(of[0]) else of[2])

    def _not(self, of: list[Any]) -> bool:
        return not self._filled(of[0])

    def _equals(self, of: list[Any]) -> bool:
        return bool(self._filled(of[0]) == self._filled(of[1]))

    def _join(self, of: list[Any]) -> str:
        return str(of[0]).join(map(str, self._filled(of[1])))
