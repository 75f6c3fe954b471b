"""What every body that crosses the bridge is, and those that belong to no side of it."""

from __future__ import annotations

from typing import Any, ClassVar, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from bridge.errors import BadMessage, HubError

Socket = Literal["desired", "actual"]


class Model(BaseModel):
    """Immutable, and closed: an unknown field is an error, not a silent loss."""

    model_config = ConfigDict(frozen=True, extra="forbid")


A = TypeVar("A", bound=Model)

KINDS: dict[str, type[Request[Any]]] = {}
"""Every kind of request, by its name: the classes below `Request`, in the order of their declaration."""


class Request(Model, Generic[A]):
    """The body of a request, which is answered with an `A`. Each subclass declares one kind of request.

    The keywords of the class say the rest. What else must know of a kind (the clients and servers of both languages,
    the tables of docs/protocol.md) reads it from here, or is generated from it (`make generate`).
    """

    kind: ClassVar[str]
    """Its name on the wire; that of its answer is the same with `.ok`."""
    sockets: ClassVar[tuple[Socket, ...]]
    """Where it is served."""
    answer: ClassVar[type[Model]]
    """The class `A`."""
    queue: ClassVar[str | None]
    """Requests of one queue are handled one after the other, in order of arrival; those without one, side by side."""
    repeatable: ClassVar[bool]
    """Handling it twice does no harm: a client sends it again when the connection ended before the answer."""
    invalid: ClassVar[type[HubError]]
    """The error that answers a request whose body does not fit."""

    def __init_subclass__(
        cls,
        kind: str = "",
        sockets: tuple[Socket, ...] = (),
        queue: str | None = None,
        repeatable: bool = True,
        invalid: type[HubError] = BadMessage,
    ) -> None:
        """Add the kind to `KINDS`. Raises TypeError when the name is taken, or no answer is named."""
        super().__init_subclass__()
        if not kind:  # `Request[Answer]`, from which the subclasses are derived
            return
        if kind in KINDS:
            raise TypeError(f"{cls.__name__}: {KINDS[kind].__name__} is of the kind {kind!r} already")
        cls.kind, cls.sockets, cls.queue, cls.repeatable, cls.invalid = kind, sockets, queue, repeatable, invalid
        cls.answer = _answer_of(cls)
        KINDS[kind] = cls


def _answer_of(body: type[Request[Any]]) -> type[Model]:
    for base in body.__mro__:
        metadata = base.__dict__.get("__pydantic_generic_metadata__", {})
        if metadata.get("origin") is Request:
            answer: type[Model] = metadata["args"][0]
            return answer
    raise TypeError(f"{body.__name__} does not say what answers it: derive it from Request[Answer]")


class Done(Model):
    """Answer that says only: done."""


class Pong(Model):
    """Answer to `ping`, which every server of the bridge gives by itself."""

    pid: int
    serves: tuple[str, ...]
    """The kinds that it serves."""


class Ping(Request[Pong], kind="ping", sockets=("desired", "actual")):
    """Ask who is there."""


class Event(Model):
    """A hint on a PUB socket that something changed; `status` is the truth (of topic `desired`: `desired` is).

    `joined` is made for one subscriber when its subscription is in force: from now on it misses nothing.
    """

    topic: Literal["applied", "server", "workspace", "sessions", "log", "desired", "joined"]
    subject: str = ""
    data: dict[str, Any] = {}
