"""What messages make of kinds: the names of answers, errors and events, and the bodies that fit."""

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
"""A subscription that begins so is answered, to that topic alone, by the event `joined`; it sorts after all topics."""


def kind_of(name: str) -> type[Request[Any]]:
    """The kind of that name.

    Raises:
        UnknownKind: there is none.
    """
    try:
        return KINDS[name]
    except KeyError:
        raise UnknownKind(f"There is no message of kind {name!r}.") from None


def request_body(kind: type[Request[A]], body: dict[str, Any]) -> Request[A]:
    """The validated body of a request.

    Raises:
        BadMessage: it does not fit the kind (InvalidSnapshot for `apply`).
    """
    return _validated(kind, body, kind.kind, kind.invalid)


def answer_body(request: type[Request[A]], envelope: Envelope) -> A:
    """The validated body of the answer to a request of that kind.

    Raises:
        RemoteError: the answer is an error.
        BadMessage: it is not an answer to this kind, or its body does not fit.
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
