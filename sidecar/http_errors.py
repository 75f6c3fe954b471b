"""Why an HTTP request is not served at all: its body, its credentials, its Host, or the limits of connections.

Each is answered with its HTTP status, and with a JSON-RPC error without an id as the body.
"""

from __future__ import annotations

from sidecar.errors import INVALID_REQUEST, PARSE_ERROR, SidecarError


class BodyNotJson(SidecarError):
    """A client sent a body that is not JSON."""

    code = "BODY_NOT_JSON"
    rpc_code = PARSE_ERROR
    hint = "Send one JSON-RPC 2.0 message as the body."


class BodyTooLarge(SidecarError):
    """A client sent a larger body than HUB_MAX_BODY_BYTES."""

    code = "BODY_TOO_LARGE"
    status = 413
    rpc_code = INVALID_REQUEST
    hint = "Send less, or raise HUB_MAX_BODY_BYTES."


class ConnectionsLimit(SidecarError):
    """As many clients are connected as the limit of open files leaves room for; an unused connection makes room."""

    code = "CONNECTIONS_LIMIT"
    status = 503
    retry_after = 5
    hint = "Close connections that are not used, or raise the limit of open files: `ulimit -n`, LimitNOFILE, --ulimit."


class RequestTimeout(SidecarError):
    """A client connected or began a request, and did not send all of it in time."""

    code = "REQUEST_TIMEOUT"
    status = 408
    rpc_code = INVALID_REQUEST
    hint = "Send the head of a request within 15 s, and its body within 30 s or at 16 KiB/s."


class BodiesLimit(SidecarError):
    """The bodies of requests that are not complete take as much memory as they may."""

    code = "BODIES_LIMIT"
    status = 503
    retry_after = 5
    hint = "Try again in some seconds; the limit is 16 times HUB_MAX_BODY_BYTES."


class ClientNotReading(SidecarError):
    """A client does not read its answers, for 30 s, or while HUB_MAX_UNREAD_BYTES wait for all clients together."""

    code = "CLIENT_NOT_READING"
    hint = "Read what was asked for, or ask for less at once; raise HUB_MAX_UNREAD_BYTES for many slow clients."


class BodyTypeRefused(SidecarError):
    """A client sent a body that does not say that it is JSON, as any page of another site may."""

    code = "BODY_TYPE_REFUSED"
    status = 415
    rpc_code = INVALID_REQUEST
    hint = "Send JSON with the header Content-Type: application/json, not compressed."


class TokenRequired(SidecarError):
    """A request to a protected hub has no token."""

    code = "TOKEN_REQUIRED"
    status = 401
    rpc_code = INVALID_REQUEST
    hint = "Send `Authorization: Bearer <token>`; whoever runs the hub gets one from `hubctl token` or `hubctl keys`."


class TokenInvalid(SidecarError):
    """A request to a protected hub has a token that is not valid: mistyped, revoked, or another hub's."""

    code = "TOKEN_INVALID"
    status = 401
    rpc_code = INVALID_REQUEST
    hint = "Compare it with `hubctl token`, or have a new key made: hubctl keys add NAME."


class HostRefused(SidecarError):
    """A request carries a Host or Origin that the hub does not serve (protection against DNS rebinding)."""

    code = "HOST_REFUSED"
    status = 403
    rpc_code = INVALID_REQUEST
    hint = "Use a loopback address, or name the host in HUB_ALLOWED_HOSTS."


class FrontAway(SidecarError):
    """The front, which serves pages, the API, and what is no plain request for an endpoint, does not answer."""

    code = "FRONT_AWAY"
    status = 503
    retry_after = 5
    hint = "It is started again by itself; if it stays away, front.log in the logs directory says why."
