"""Every kind of message: which socket serves it, what it asks, what it answers, and in which order it is handled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from bridge.codec import Envelope, explain
from bridge.errors import BadMessage, ErrorBody, HubError, InvalidSnapshot, RemoteError, UnknownKind
from bridge.models import (
    Accepted,
    AddKey,
    Call,
    CallResult,
    Changed,
    ConfigFile,
    DeleteServer,
    DeleteWorkspace,
    Desired,
    Done,
    History,
    Imported,
    ImportServers,
    KeyMade,
    Keys,
    ListTools,
    LogRecords,
    Logs,
    Model,
    Pong,
    PutConfig,
    PutServer,
    PutWorkspace,
    ReadConfig,
    ReadHistory,
    Restart,
    RevokeKey,
    SetServer,
    SetWorkspace,
    Snapshot,
    Status,
    Tools,
)

Socket = Literal["desired", "actual"]
B = TypeVar("B", bound=BaseModel)

ERROR = "error"
EVENT = "event"
OK = ".ok"
JOIN = b"~"
"""A subscription that begins so is answered, to that topic alone, by the event `joined`; it sorts after all topics."""


@dataclass(frozen=True)
class Kind:
    """One kind of request. Those of one `lane` are handled one after the other, in order of arrival."""

    name: str
    sockets: tuple[Socket, ...]
    request: type[Model] | None
    answer: type[Model]
    lane: str | None = None
    repeatable: bool = True
    """Handling it twice does no harm: a client sends it again when the connection ended before the answer."""
    invalid: type[HubError] = BadMessage
    """What a request is answered with whose body does not fit."""


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("desired", ("desired",), None, Desired),
        Kind("set_workspace", ("desired",), SetWorkspace, Changed, lane="change", repeatable=False),
        Kind("set_server", ("desired",), SetServer, Changed, lane="change", repeatable=False),
        Kind("reload", ("desired",), None, Changed, lane="change"),
        Kind("config", ("desired",), ReadConfig, ConfigFile),
        Kind("put_server", ("desired",), PutServer, Changed, lane="change", repeatable=False),
        Kind("delete_server", ("desired",), DeleteServer, Changed, lane="change", repeatable=False),
        Kind("put_workspace", ("desired",), PutWorkspace, Changed, lane="change", repeatable=False),
        Kind("delete_workspace", ("desired",), DeleteWorkspace, Changed, lane="change", repeatable=False),
        Kind("put_config", ("desired",), PutConfig, Changed, lane="change", repeatable=False),
        Kind("import", ("desired",), ImportServers, Imported, lane="change", repeatable=False),
        Kind("keys", ("desired",), None, Keys),
        Kind("add_key", ("desired",), AddKey, KeyMade, lane="change", repeatable=False),
        Kind("revoke_key", ("desired",), RevokeKey, Done, lane="change", repeatable=False),
        Kind("apply", ("actual",), Snapshot, Accepted, lane="apply", invalid=InvalidSnapshot),
        Kind("status", ("actual",), None, Status),
        Kind("restart", ("actual",), Restart, Done, repeatable=False),
        Kind("tools", ("actual",), ListTools, Tools),
        Kind("call", ("actual",), Call, CallResult, repeatable=False),
        Kind("logs", ("actual",), Logs, LogRecords),
        Kind("history", ("actual",), ReadHistory, History),
        Kind("ping", ("desired", "actual"), None, Pong),
    )
}


def kind_of(name: str) -> Kind:
    """The kind of that name.

    Raises:
        UnknownKind: there is none.
    """
    try:
        return KINDS[name]
    except KeyError:
        raise UnknownKind(f"There is no message of kind {name!r}.") from None


def request_body(kind: Kind, body: dict[str, Any]) -> Model | None:
    """The validated body of a request.

    Raises:
        BadMessage: it does not fit the kind (InvalidSnapshot for `apply`).
    """
    if kind.request is None:
        if body:
            raise kind.invalid(f"A {kind.name!r} request has no body, but one came with {sorted(body)[:5]}.")
        return None
    return _validated(kind.request, body, kind.name, kind.invalid)


def answer_body(kind: Kind, envelope: Envelope) -> Model:
    """The validated body of the answer to a request of that kind.

    Raises:
        RemoteError: the answer is an error.
        BadMessage: it is not an answer to this kind, or its body does not fit.
    """
    if envelope.kind == ERROR:
        raise RemoteError(_validated(ErrorBody, envelope.body, ERROR, BadMessage))
    if envelope.kind != kind.name + OK:
        raise BadMessage(f"A {kind.name!r} request was answered with {envelope.kind!r}.")
    return _validated(kind.answer, envelope.body, envelope.kind, BadMessage)


def _validated(model: type[B], body: dict[str, Any], name: str, invalid: type[HubError]) -> B:
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise invalid(f"The body of {name!r} does not fit: {explain(error)}.") from None
