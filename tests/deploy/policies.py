"""IAM policies: which actions they allow, on what."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

Allowed = frozenset[tuple[str, str]]
"""Pairs of an action and a resource."""


def statements(policy: str | Mapping[str, Any]) -> list[dict[str, Any]]:
    return list((json.loads(policy) if isinstance(policy, str) else policy)["Statement"])


def allowed(policies: Iterable[str | Mapping[str, Any]]) -> Allowed:
    """What these policies allow together."""
    return frozenset(
        (action, resource)
        for policy in policies
        for one in statements(policy)
        if one["Effect"] == "Allow"
        for action in listed(one["Action"])
        for resource in listed(one["Resource"])
    )


def listed(value: str | list[str]) -> list[str]:
    """IAM takes one string for a list of one."""
    return [value] if isinstance(value, str) else value
