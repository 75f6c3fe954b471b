"""The kinds of messages: names of answers, errors and events, and validation of bodies."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from bridge.codec import Envelope, explain
from bridge.errors import BadMessage, ErrorBody, HubError, RemoteError, UnknownKind
from bridge.models import KINDS, Model, Request

A = TypeVar("A", bound=Model)
B = TypeVar("B", bound=BaseModel)

ERROR = "error"
EVENT = "event"
OK = ".ok"
JOIN = b"~"
"""Prefix of a topic that a subscriber adds to learn when it is connected: the publisher sends `joined` to that topic.
It sorts after all other topics, so their subscriptions have arrived before."""


def kind_of(name: str) -> type[Request[Any]]:
    """Look up a kind of request by its name.

    Raises:
        UnknownKind: there is no such kind.
    """
    try:
        return KINDS[name]
    except KeyError:
        raise UnknownKind(f"There is no message of kind {name!r}.") from None


def request_body(kind: type[Request[A]], body: dict[str, Any]) -> Request[A]:
    """Validate the body of a request.

    Raises:
        BadMessage: it is invalid for this kind (InvalidSnapshot for `apply`).
    """
    return _validated(kind, body, kind.kind, kind.invalid)


def answer_body(request: type[Request[A]], envelope: Envelope) -> A:
    """Validate the body of the answer to a request of that kind.

    Raises:
        RemoteError: the answer is an error.
        BadMessage: it is the answer to another kind, or its body is invalid.
    """
    if envelope.kind == ERROR:
        raise RemoteError(_validated(ErrorBody, envelope.body, ERROR, BadMessage))
    if envelope.kind != request.kind + OK:
        raise BadMessage(f"A {request.kind!r} request was answered with {envelope.kind!r}.")
    answer: A = _validated(request.answer, envelope.body, envelope.kind, BadMessage)  # type: ignore[assignment]  # it is A
    return answer


def _validated(model: type[B], body: dict[str, Any], name: str, invalid: type[HubError]) -> B:
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise invalid(f"The body of {name!r} does not fit: {explain(error)}.") from None
