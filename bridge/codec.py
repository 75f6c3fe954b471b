"""Encodes and decodes messages of the bridge: an envelope as JSON in UTF-8. Specification: docs/protocol.md."""

from __future__ import annotations

import secrets
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticSerializationError

from bridge.author import Author
from bridge.errors import BadMessage, MessageTooLarge, VersionMismatch

PROTOCOL_VERSION = 1
MAX_BYTES = 16 * 1024 * 1024
"""Bytes of the largest message."""


class Envelope(BaseModel):
    """A message. `session` identifies the sender's process run; an answer has the `id` of its request."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: int = PROTOCOL_VERSION
    id: str = Field(max_length=128)
    session: str = Field(max_length=128)
    kind: str = Field(pattern=r"^[a-z][a-z_]{0,63}(\.ok)?$")
    body: dict[str, Any] = {}
    by: Author | None = None
    """Of requests: who makes it."""


def new_session() -> str:
    """A random id for this run of a process."""
    return secrets.token_hex(8)


def encode(envelope: Envelope) -> bytes:
    """Encode a message.

    Raises:
        BadMessage: the body has a value that JSON cannot represent (a lone surrogate, an integer over 64 bits).
        MessageTooLarge: the message has more than MAX_BYTES.
    """
    fields: dict[str, Any] = {
        "version": envelope.version,
        "id": envelope.id,
        "session": envelope.session,
        "kind": envelope.kind,
        "body": envelope.body,
    }
    if envelope.by is not None:
        fields["by"] = envelope.by.model_dump()
    try:
        data = orjson.dumps(fields)
    except TypeError as error:
        raise BadMessage(f"A message of kind {envelope.kind!r} cannot be written as JSON: {error}.") from None
    return _within_limit(data)


def decode(data: bytes) -> Envelope:
    """Decode a message. Errors have its id in `data["id"]`, if that could be read.

    Raises:
        BadMessage: the data is not JSON, or not an envelope.
        MessageTooLarge: the data has more than MAX_BYTES.
        VersionMismatch: the message has another version of the protocol.
    """
    try:
        fields = orjson.loads(_within_limit(data))
    except orjson.JSONDecodeError as error:
        raise BadMessage(f"A message is not JSON: {error}.") from None
    if not isinstance(fields, dict):
        raise BadMessage("A message is not a JSON object.")
    known = {"id": fields["id"]} if isinstance(fields.get("id"), str) else {}
    version = fields.get("version")
    if type(version) is not int:
        raise BadMessage("A message has no version.", data=known)
    if version != PROTOCOL_VERSION:
        raise VersionMismatch(f"A message is of version {version}; this side speaks {PROTOCOL_VERSION}.", data=known)
    try:
        return Envelope.model_validate(fields)
    except ValidationError as error:
        raise BadMessage(f"A message is not an envelope: {explain(error)}.", data=known) from None


def to_body(model: BaseModel) -> dict[str, Any]:
    """Convert a model to the body of a message.

    Raises:
        BadMessage: it has a value that JSON cannot represent.
    """
    try:
        return model.model_dump(mode="json")
    except PydanticSerializationError as error:
        raise BadMessage(f"{type(model).__name__} cannot be written as JSON: {error}.") from None


def explain(error: ValidationError) -> str:
    """Describe a validation error, field by field, without values, which may be secret."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, item['loc'])) or 'body'}: {item['msg']}" for item in found[:5])


def _within_limit(data: bytes) -> bytes:
    if len(data) > MAX_BYTES:
        raise MessageTooLarge(f"A message of {len(data)} bytes is over the limit of {MAX_BYTES}.")
    return data
