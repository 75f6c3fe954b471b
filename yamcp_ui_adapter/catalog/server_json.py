"""Checks that an entry is a server.json (schema 2025-12-11 of the MCP registry) as far as the hub reads it. Pure."""

from __future__ import annotations

from typing import Annotated, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from yamcp_ui_adapter.activation.target import META, Json
from yamcp_ui_adapter.catalog.errors import EntryInvalid

MAX_BYTES = 64 * 1024
"""Of one entry, as JSON."""

MAX_WRONG = 20
"""Fields that an error names."""

Text = Annotated[str, Field(max_length=8192)]


class _Part(BaseModel):
    """A part of an entry. Fields that the hub does not read may be anything."""

    model_config = ConfigDict(strict=True, extra="allow", alias_generator=to_camel, defer_build=True)


class _Input(_Part):
    description: Text | None = None
    is_required: bool = False
    is_secret: bool = False
    format: Literal["string", "number", "boolean", "filepath"] = "string"
    value: Text | None = None
    default: Text | None = None
    placeholder: Text | None = None
    choices: list[Text] | None = None
    variables: dict[str, _Input] | None = None


class _Named(_Input):
    name: Text


class _Argument(_Input):
    type: Literal["positional", "named"]
    name: Text | None = None
    value_hint: Text | None = None
    is_repeated: bool = False


class _Transport(_Part):
    type: Literal["stdio", "streamable-http", "sse"]
    url: Text | None = None
    headers: list[_Named] = Field(default_factory=list)
    variables: dict[str, _Input] | None = None


class _Package(_Part):
    registry_type: Text
    identifier: Text
    version: Text | None = None
    transport: _Transport
    runtime_arguments: list[_Argument] = Field(default_factory=list)
    package_arguments: list[_Argument] = Field(default_factory=list)
    environment_variables: list[_Named] = Field(default_factory=list)


class _Checked(_Part):
    registry: Text | None = None
    started: Text | None = None
    tools: int | None = None


class _OfHub(BaseModel):
    """What the hub knows of an entry beyond server.json."""

    model_config = ConfigDict(strict=True, extra="allow", populate_by_name=True, defer_build=True)

    category: Text | None = None
    works_without_keys: bool = False
    checked: _Checked | None = None
    note: Text | None = None
    command: Text | None = None
    built_in: bool = False
    python: Annotated[str, Field(pattern=r"^3\.\d{1,3}$")] | None = None
    with_: Annotated[list[Text], Field(alias="with")] = []


class _Meta(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow", defer_build=True)

    of_hub: Annotated[_OfHub | None, Field(alias=META)] = None


class ServerJson(_Part):
    """What the hub reads of a server.json. Other fields may be anything."""

    name: Annotated[str, Field(min_length=3, max_length=200, pattern=r"^[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+$")]
    description: Annotated[str, Field(min_length=1, max_length=100)]
    version: Annotated[str, Field(min_length=1, max_length=255)]
    title: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    packages: list[_Package] = Field(default_factory=list)
    remotes: list[_Transport] = Field(default_factory=list)
    meta: Annotated[_Meta | None, Field(alias="_meta")] = None


def check(entry: Json) -> None:
    """Check an entry that somebody adds. Raises EntryInvalid, with the fields that are wrong."""
    if len(orjson.dumps(dict(entry))) > MAX_BYTES:
        raise EntryInvalid(f"The entry is longer than {MAX_BYTES} bytes.")
    try:
        ServerJson.model_validate(dict(entry))
    except ValidationError as error:
        wrong = {".".join(map(str, each["loc"])) or "the entry": each["msg"] for each in error.errors()[:MAX_WRONG]}
        place, reason = next(iter(wrong.items()))
        raise EntryInvalid(f"`{place}` is wrong: {reason}.", data={"fields": wrong}) from None
