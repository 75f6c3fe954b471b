"""The base classes of message bodies, and the bodies that all servers of the bridge have in common."""

from __future__ import annotations

from typing import Any, ClassVar, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from bridge.errors import BadMessage, HubError

Socket = Literal["desired", "actual", "records"]


class Model(BaseModel):
    """Base class of bodies: immutable; unknown fields are errors."""

    # `defer_build`: each process uses few of the kinds, and building all validators takes a quarter of its imports.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


A = TypeVar("A", bound=Model)

KINDS: dict[str, type[Request[Any]]] = {}
"""All kinds of requests by name: the subclasses of `Request`, in the order of declaration."""


class Request(Model, Generic[A]):
    """The body of a request that is answered with an `A`. Each subclass declares one kind of request.

    Properties of the kind are given as keywords of the class. Clients, servers and documents (docs/protocol.md) read
    them from here, or are generated from them (`make generate`).
    """

    kind: ClassVar[str]
    """The name in messages; the answer's name is the same with the suffix `.ok`."""
    sockets: ClassVar[tuple[Socket, ...]]
    """The sockets that serve it."""
    answer: ClassVar[type[Model]]
    """The class `A`."""
    queue: ClassVar[str | None]
    """Requests of the same queue are handled one at a time, in order of arrival; those without one concurrently."""
    repeatable: ClassVar[bool]
    """Whether it is idempotent: a client sends it again if the connection ended before the answer."""
    invalid: ClassVar[type[HubError]]
    """The error for a request with an invalid body."""

    def __init_subclass__(
        cls,
        kind: str = "",
        sockets: tuple[Socket, ...] = (),
        queue: str | None = None,
        repeatable: bool = True,
        invalid: type[HubError] = BadMessage,
    ) -> None:
        """Register the kind in KINDS. Raises TypeError if its name is taken, or no answer is declared."""
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
    """An answer without content."""


class Pong(Model):
    """The answer to `ping`, which `BridgeServer` gives itself."""

    pid: int
    serves: tuple[str, ...]
    """The kinds that the server serves."""


class Ping(Request[Pong], kind="ping", sockets=("desired", "actual", "records")):
    """Learn whether the server runs, and its session."""


class Event(Model):
    """A hint on a PUB socket that the answer to `status` (topic `desired`: to `desired`; `activation`: to
    `activation_jobs`; `approvals`: to `proposals`) has changed.

    `joined` is sent to a single subscriber when its subscription is in effect: it receives all later events.
    """

    topic: Literal["applied", "server", "workspace", "sessions", "log", "desired", "activation", "approvals", "joined"]
    subject: str = ""
    data: dict[str, Any] = {}
