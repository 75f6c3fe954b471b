"""The errors of requests for which a server asks the client for input, and of `requestState`, which carries such a
request from one round to the next (ADR 14)."""

from __future__ import annotations

from sidecar.errors import INVALID_PARAMS, MISSING_CAPABILITY, SidecarError


class ClientFeatureMissing(SidecarError):
    """A server requests input, or answers with a task, but the client has not declared that it supports this."""

    code = "CLIENT_FEATURE_MISSING"
    rpc_code = MISSING_CAPABILITY
    hint = "Use a client that declares this feature when it connects, or a tool that does not need it."


class InputRefused(SidecarError):
    """A client answered a server's request for input with an error, so the call cannot continue."""

    code = "CLIENT_INPUT_REFUSED"
    hint = "Repeat the call if this was a mistake; `data.error` contains the client's error."


class InputRounds(SidecarError):
    """A server kept requesting input without answering the call."""

    code = "SERVER_INPUT_ROUNDS"
    hint = "Repeat the call with all the input that the tool needs; if it asks again, this is a fault of the server."


class TooManySuspendedCalls(SidecarError):
    """The maximum number of calls are waiting for input from their clients."""

    code = "PARKED_LIMIT"
    hint = "Answer or cancel some of them; the hub cancels each after HUB_INPUT_TIMEOUT."


class RequestStateInvalid(SidecarError):
    """A client sent a `requestState` that the hub did not issue, that was changed, or that belongs to another call."""

    code = "REQUEST_STATE_INVALID"
    rpc_code = INVALID_PARAMS
    hint = "Repeat the request unchanged, with the requestState as received; or start a new call without one."


class RequestStateExpired(SidecarError):
    """A client sent a `requestState` too late, or after a restart of the hub."""

    code = "REQUEST_STATE_EXPIRED"
    rpc_code = INVALID_PARAMS
    hint = "Repeat the call without a requestState; HUB_INPUT_TIMEOUT is how long the hub waits for input."


class RequestStateUsed(SidecarError):
    """A client sent a `requestState` a second time, or for a call that has ended."""

    code = "REQUEST_STATE_USED"
    rpc_code = INVALID_PARAMS
    hint = "Each requestState is valid for one request. Repeat the call without one."
