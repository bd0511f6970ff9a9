"""The form of a kind of channel, made from the JSON Schema of its settings."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from eed_delivery.console.acting import FormError, FormField, form_errors
from eed_delivery.errors import ConfigError
from eed_delivery.operations.channel_fields import ChannelField, fields_of, settings_of, text_of
from eed_delivery.operations.channels import ChannelKindView
from eed_delivery.operators.problems import sentence

PREFIX = "settings."
LONGEST = 4000
SECRET = "The place of the secret: credential:NAME, env:NAME or aws-secret:ARN. Never the secret itself."  # noqa: S105
NAME = FormField("name", "Name", "Small letters, digits, - and _, up to 32 of them.", length=32)


class ChannelForm:
    """The settings of one kind as fields, what was typed into them, and what is wrong with it."""

    def __init__(self, kind: ChannelKindView) -> None:
        self._kind = kind.name
        self._settings = list(fields_of(kind.schema))
        self.fields = [_field(one) for one in self._settings]

    def shown(self, settings: Mapping[str, Any]) -> dict[str, str]:
        """Settings as the form has them."""
        return {PREFIX + one.key: text_of(settings, one.key) for one in self._settings}

    def kept(self, given: Mapping[str, str]) -> dict[str, str]:
        """What was typed, to be shown again. What may be a secret itself is left out."""
        names = {PREFIX + one.key: one for one in self._settings}
        return {name: "" if name in names and _is_bare(names[name], text) else text for name, text in given.items()}

    def settings(self, given: Mapping[str, str]) -> tuple[dict[str, Any], list[FormError]]:
        """What was typed as settings, and what is wrong with it. What is empty has its default."""
        found: dict[str, Any] = {"kind": self._kind}
        errors = form_errors(self.fields, given)
        for one in self._settings:
            text = given.get(PREFIX + one.key, "")
            try:
                if text:
                    found[one.key] = one.value_of(text)
            except ValueError:
                errors.append(FormError(PREFIX + one.key, "It begins like JSON, and is none."))
        return settings_of(found), errors

    def errors(self, error: ConfigError, channel: str) -> list[FormError]:
        """Each mistake beside its field."""
        named = [(one.where.removeprefix(f"channel.{channel}").lstrip("."), one) for one in error.problems]
        return [FormError(self._beside(key), f"{sentence(one.what)} {one.remedy}".strip()) for key, one in named]

    def _beside(self, key: str) -> str:
        """The field of a setting, or the first one of a table. "" for none."""
        keys = [one.key for one in self._settings]
        found = [one for one in keys if key and (f"{key}.".startswith(f"{one}.") or one.startswith(f"{key}."))]
        return PREFIX + found[0] if found else ""


def _is_bare(field: ChannelField, text: str) -> bool:
    """Whether a text stands where the place of a secret should be, and is none."""
    return field.is_secret and not re.fullmatch(field.pattern, text)


def _field(one: ChannelField) -> FormField:
    name, hint = PREFIX + one.key, _hint(one)
    choices = _choices(one)
    if choices:
        return FormField(name, one.key, hint, "select", required=one.required, choices=choices)
    return FormField(name, one.key, hint, required=one.required, length=LONGEST)


def _choices(one: ChannelField) -> Sequence[tuple[str, str]]:
    words = [("true", "yes"), ("false", "no")] if one.is_switch else [(word, word) for word in one.choices]
    return [("", "" if one.required else "default"), *words] if words else []


def _hint(one: ChannelField) -> str:
    if one.is_secret:
        return SECRET
    if one.default in (None, "", []):
        return ""
    standard = {True: "yes", False: "no"}.get(one.default) if one.is_switch else text_of({"it": one.default}, "it")
    return f"Default: {standard}"
