"""Runs Terraform on a copy of deploy/terraform, with a provider that makes up what AWS would answer."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.deploy import bindings
from tests.deploy.account import SCHEMA

REQUIRED = "TESTS_REQUIRE_TERRAFORM"
SOURCES = bindings.ROOT / "deploy" / "terraform"
LOCAL_STATE = 'terraform {\n  backend "local" {}\n}\n'
"""In place of the state in S3: what an override file says counts."""
SECONDS = 240


class NoTerraform(RuntimeError):
    """It is not on this machine."""


def is_required() -> bool:
    """Whether it is an error that it cannot be had."""
    return os.environ.get(REQUIRED) == "1"


def program() -> str:
    """Where it is. Raises `NoTerraform`."""
    found = shutil.which("terraform")
    if found is None:
        raise NoTerraform("Install Terraform 1.11 or later: https://developer.hashicorp.com/terraform/install")
    return found


def resource_names(folder: Path) -> frozenset[str]:
    """The kinds of resources and data sources that the files below a folder name."""
    found = re.findall(r'^(resource|data) "(aws_\w+)"', "\n".join(map(Path.read_text, folder.rglob("*.tf"))), re.M)
    return frozenset(name if kind == "resource" else f"data.{name}" for kind, name in found)


@dataclass(frozen=True)
class State:
    """What was made: each resource's values by its address, and each output as `output.NAME`."""

    resources: dict[str, dict[str, Any]]

    def one(self, address: str) -> dict[str, Any]:
        return self.resources[address]

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        """All of a kind, such as `aws_sqs_queue`."""
        return {where: one for where, one in self.resources.items() if re.search(rf"(^|\.){kind}\.\w+(\[|$)", where)}


class Terraform:
    """Terraform in a copy of everything, which is in `root`."""

    def __init__(self, root: Path) -> None:
        self._program = program()
        self.root = root / "terraform"
        shutil.copytree(SOURCES, self.root, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
        for backend in self.root.rglob("backend.tf"):
            backend.with_name("backend_override.tf").write_text(LOCAL_STATE)
        self._plugins = root / "plugins"
        schema = bindings.schema(resource_names(SOURCES))
        version = json.loads(schema.read_text())["provider_version"]
        place = self._plugins / "registry.terraform.io" / "hashicorp" / "aws" / version / "linux_amd64"
        place.mkdir(parents=True)
        plugin = place / f"terraform-provider-aws_v{version}"
        plugin.write_text(f"#!/bin/sh\nexec {sys.executable} -m tests.deploy.stub_provider\n")
        plugin.chmod(0o755)
        self._environment = {
            **os.environ,
            SCHEMA: str(schema),
            "PYTHONPATH": str(bindings.ROOT),
            "TF_DISABLE_PLUGIN_TLS": "1",
            "TF_IN_AUTOMATION": "1",
            "TF_CLI_CONFIG_FILE": os.devnull,
            "CHECKPOINT_DISABLE": "1",
        }

    def run(self, folder: str, *words: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """One command in a folder below deploy/terraform."""
        done = subprocess.run(
            [self._program, *words],
            cwd=self.root / folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        assert done.returncode == 0 or not check, f"terraform {words[0]} in {folder}:\n{done.stdout}{done.stderr}"
        return done

    def init(self, folder: str) -> None:
        self.run(folder, "init", "-no-color", f"-plugin-dir={self._plugins}")

    def apply(self, folder: str, variables: dict[str, Any]) -> State:
        """All that the configuration makes, as if AWS had made it."""
        (self.root / folder / "test.auto.tfvars.json").write_text(json.dumps(variables))
        self.run(folder, "apply", "-no-color", "-auto-approve", "-input=false")
        shown = json.loads(self.run(folder, "show", "-json").stdout)
        outputs = {f"output.{name}": one for name, one in shown["values"].get("outputs", {}).items()}
        return State({one["address"]: one["values"] for one in _resources(shown["values"]["root_module"])} | outputs)


def _resources(module: dict[str, Any]) -> list[dict[str, Any]]:
    inner = [one for child in module.get("child_modules", []) for one in _resources(child)]
    return [one for one in module.get("resources", []) if one["mode"] == "managed"] + inner


@cache
def missing() -> str | None:
    """Why Terraform cannot be run here. None if it can."""
    try:
        program()
        bindings.fetch()
    except (NoTerraform, bindings.NoBindings) as error:
        return str(error)
    return None
