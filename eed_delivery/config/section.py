"""The base of all settings."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """One table of the TOML file. It is read once, never changed, and holds nothing that we don't know."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
