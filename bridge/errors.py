"""The base class of the hub's errors, and the errors of the bridge.

Every error shown to a user has a stable code (documented in docs/errors.md, checked by a test), a message that says
what happened to what and why, and a hint that says what to do. Between processes it is sent as `ErrorBody`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict


class ErrorBody(BaseModel):
    """An error in messages: the body of a message of kind `error`, and `reason` in a status."""

    model_config = ConfigDict(frozen=True)

    code: str
    message: str
    hint: str = ""
    data: dict[str, Any] = {}


class HubError(Exception):
    """An error to be shown to a user. Subclasses set `code` and usually `hint`."""

    code: str = "HUB_INTERNAL"
    hint: ClassVar[str] = "Look for this time in the hub's log (hubctl logs); it names the cause."

    def __init__(self, message: str, *, hint: str | None = None, data: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.advice = self.hint if hint is None else hint
        self.data = data or {}

    def body(self, redact: Callable[[str], str] = str) -> ErrorBody:
        """The error as a message body; `redact` masks secrets in its message."""
        return ErrorBody(code=self.code, message=redact(self.message), hint=self.advice, data=self.data)


class RemoteError(HubError):
    """An error that the other side of the bridge answered; carries that side's code."""

    code = "BRIDGE_REMOTE"

    def __init__(self, body: ErrorBody) -> None:
        super().__init__(body.message, hint=body.hint, data=body.data)
        self.remote_code = body.code

    def body(self, redact: Callable[[str], str] = str) -> ErrorBody:
        return ErrorBody(code=self.remote_code, message=redact(self.message), hint=self.advice, data=self.data)


class BadMessage(HubError):
    """Bytes on the bridge are not a message of this protocol."""

    code = "BRIDGE_BAD_MESSAGE"
    hint = "The two sides may be of different versions: restart the hub, so that all its processes are of one."


class MessageTooLarge(BadMessage):
    """A message is larger than the bridge carries (16 MiB); it was not sent, or not read."""

    code = "BRIDGE_TOO_LARGE"
    hint = "Ask for less at once: fewer log lines, or a smaller result of the tool."


class AddressInvalid(HubError):
    """An address cannot be used for the bridge: only ipc:// is served, as tcp:// would need CURVE keys."""

    code = "BRIDGE_ADDRESS"
    hint = "Use an address of the form ipc:///path/to/name.sock, of at most 107 bytes."


class AddressTaken(HubError):
    """Another process serves the bridge at this address: a hub already runs with this runtime directory."""

    code = "BRIDGE_ADDRESS_TAKEN"
    hint = "Stop that hub, or give this one a runtime directory of its own with HUB_RUNTIME_DIR."


class RuntimeDirUnsafe(HubError):
    """The directory of the hub's sockets is not a directory, belongs to another user, or is open to others."""

    code = "RUNTIME_DIR_UNSAFE"
    hint = "Make it yours alone (chown, chmod 700), or set HUB_RUNTIME_DIR to a directory that does not exist yet."


class VersionMismatch(HubError):
    """The other side speaks another version of the protocol."""

    code = "BRIDGE_VERSION"
    hint = "Restart the hub, so that all its processes are of one version."


class UnknownKind(HubError):
    """A message asks for something that this side does not serve."""

    code = "BRIDGE_UNKNOWN_KIND"
    hint = "docs/protocol.md lists what each socket serves."


class PeerUnavailable(HubError):
    """No answer within the deadline: the other process is down, restarting, or stuck."""

    code = "BRIDGE_UNAVAILABLE"
    hint = "Is the hub running? `hubctl doctor` tells which of its processes does not answer."


class Overloaded(HubError):
    """More requests are under way on the bridge than its limit."""

    code = "BRIDGE_OVERLOADED"
    hint = "Wait for answers before asking more."


class StaleSnapshot(HubError):
    """A snapshot is older than the one in force; it is refused."""

    code = "SNAPSHOT_STALE"
    hint = "Nothing to do: the newer one stays in force."


class InvalidSnapshot(HubError):
    """A snapshot contradicts itself; the one before stays in force."""

    code = "SNAPSHOT_INVALID"
    hint = "This is a fault of the adapter, not of your files; please report it with the message."


class SettingInvalid(HubError):
    """A setting (an environment variable or a line of the settings file) cannot be used."""

    code = "SETTING_INVALID"
    hint = "docs/configuration.md lists every setting with its form and default."


class PortTaken(HubError):
    """Another program listens on the port that a setting names."""

    code = "PORT_TAKEN"
    hint = "Stop that program, or choose another port with the setting named here."
