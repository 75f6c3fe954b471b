"""The base class of the hub's errors, and the errors of the bridge.

Every error shown to a user has a stable code (documented in docs/errors.md, checked by a test), a message that says
what happened to what and why, and a hint that says what to do. Between processes it is sent as `ErrorBody`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

Retry = Literal["no", "later", "unsure"]
"""`no`: it fails until somebody changes something. `later`: nothing was carried out, and it can succeed after some
seconds. `unsure`: it may have been carried out, so look before asking again."""

RETRY_CODES: dict[Retry, frozenset[str]] = {
    "later": frozenset(
        {
            "ACTIVATIONS_LIMIT",
            "BODIES_LIMIT",
            "BYTES_LIMIT",
            "BRIDGE_OVERLOADED",
            "CONNECTIONS_LIMIT",
            "DAILY_LIMIT",
            "ENGINE_REFUSED",
            "FRONT_AWAY",
            "HUB_AWAY",
            "HUB_DRAINING",
            "HUB_NOT_RUNNING",
            "HUB_STARTING",
            "HUB_STOPPING",
            "HISTORY_UNAVAILABLE",
            "IMAGE_PULLING",
            "IMAGE_PULL_FAILED",
            "INSTALL_TIMEOUT",
            "LIVE_BUSY",
            "OIDC_PROVIDER_AWAY",
            "PARKED_LIMIT",
            "PLACEMENT_UNAVAILABLE",
            "PROPOSALS_LIMIT",
            "RATE_LIMITED",
            "RECORDS_BUSY",
            "RECORDS_FULL",
            "RECORDS_UNAVAILABLE",
            "REPLICA_BUSY",
            "REQUEST_TIMEOUT",
            "SERVER_BUSY",
            "SERVER_EXITED",
            "SERVER_HANDSHAKE",
            "SERVER_INSTANCES",
            "SERVER_LIST_FAILED",
            "SERVER_LIST_TIMEOUT",
            "SERVER_PLACED_ELSEWHERE",
            "SERVER_PROCESS_REFUSED",
            "SERVER_START_TIMEOUT",
            "SERVER_STILL_STARTING",
            "SERVER_UNAVAILABLE",
            "SERVER_UNREACHABLE",
            "SESSIONS_LIMIT",
            "SIGN_IN_UNAVAILABLE",
            "SPAWNER_LOST",
            "TOO_MANY_ATTEMPTS",
            "TOO_MANY_CALLS",
            "TOO_MANY_SESSIONS",
            "WORKSPACE_NOT_READY",
            "YAMCP_UI_AWAY",
        }
    ),
    "unsure": frozenset(
        {
            "BRIDGE_UNAVAILABLE",
            "CALL_TIMEOUT",
            "CLIENT_NOT_READING",
            "CLI_NOT_APPLIED",
            "CONFIG_DATABASE_UNAVAILABLE",
            "CONTAINER_OOM",
            "HUB_CONNECTION_LOST",
            "HUB_INTERNAL",
            "LARGE_ANSWER_FAILED",
            "PROCESS_HUNG",
            "REPLICA_LOST",
            "SERVER_ANSWER_INVALID",
            "SERVER_ANSWER_TOO_LARGE",
            "SERVER_CONNECTION_LOST",
            "SERVER_OUTPUT_TOO_LARGE",
            "SIDECAR_AWAY",
            "YAMCP_UI_REFUSED",
        }
    ),
}
"""The codes of each kind; all others are `no`."""


def retry_of(code: str) -> Retry:
    """Return whether to send a request again that got an error with this code."""
    return next((retry for retry, codes in RETRY_CODES.items() if code in codes), "no")


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
    hint: ClassVar[str] = "Look for this time in the hub's log (hubctl logs), which has the cause."

    def __init__(self, message: str, *, hint: str | None = None, data: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.advice = self.hint if hint is None else hint
        self.data = data or {}

    @property
    def retryable(self) -> bool:
        """Whether nothing was carried out, and the same request can succeed after some seconds."""
        return retry_of(self.code) == "later"

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
    hint = "The two sides may have different versions: restart the hub, so that all its processes have the same."


class MessageTooLarge(BadMessage):
    """A message is larger than the bridge carries (16 MiB); it was not sent, or not read."""

    code = "BRIDGE_TOO_LARGE"
    hint = "Request less at once: fewer log lines, or a smaller result of the tool."


class AddressInvalid(HubError):
    """An address cannot be used for the bridge: only ipc:// is served, as tcp:// would need CURVE keys."""

    code = "BRIDGE_ADDRESS"
    hint = "Use an address of the form ipc:///path/to/name.sock, of at most 107 bytes."


class AddressTaken(HubError):
    """Another process serves the bridge at this address: a hub already runs with this runtime directory."""

    code = "BRIDGE_ADDRESS_TAKEN"
    hint = "Stop that hub, or give this one its own runtime directory with HUB_RUNTIME_DIR."


class RuntimeDirUnsafe(HubError):
    """The directory of the hub's sockets is not a directory, belongs to another user, or is open to others."""

    code = "RUNTIME_DIR_UNSAFE"
    hint = "Make it yours alone (chown, chmod 700), or set HUB_RUNTIME_DIR to a directory that does not exist yet."


class VersionMismatch(HubError):
    """The other side speaks another version of the protocol."""

    code = "BRIDGE_VERSION"
    hint = "Restart the hub, so that all its processes have the same version."


class UnknownKind(HubError):
    """A message has a kind that this side of the bridge does not serve."""

    code = "BRIDGE_UNKNOWN_KIND"
    hint = "docs/protocol.md lists the kinds that each socket serves."


class PeerUnavailable(HubError):
    """No answer within the deadline: the other process is down, restarting, or stuck."""

    code = "BRIDGE_UNAVAILABLE"
    hint = "Check whether the hub runs; `hubctl doctor` shows which of its processes does not answer."


class Overloaded(HubError):
    """More requests are in progress on the bridge than its limit."""

    code = "BRIDGE_OVERLOADED"
    hint = "Wait for answers before sending more requests."


class StaleSnapshot(HubError):
    """A configuration snapshot is older than the one in force; the sidecar rejects it."""

    code = "SNAPSHOT_STALE"
    hint = "No action is needed: the newer one stays in force."


class InvalidSnapshot(HubError):
    """A configuration snapshot is inconsistent; the previous one stays in force."""

    code = "SNAPSHOT_INVALID"
    hint = "This is a fault of the adapter, not of your files: report it with the message."


class SettingInvalid(HubError):
    """A setting (an environment variable or a line of the settings file) cannot be used."""

    code = "SETTING_INVALID"
    hint = "docs/configuration.md lists every setting with its form and default."


class PortTaken(HubError):
    """Another program listens on the port that a setting names."""

    code = "PORT_TAKEN"
    hint = "Stop that program, or choose another port with the setting named here."
