"""Errors for HTTP requests that are refused before MCP: because of body, credentials, Host, or connection limits.

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
    """The limit for connections, or for those from one address, is reached."""

    code = "CONNECTIONS_LIMIT"
    status = 503
    retry_after = 5
    hint = "Close unused connections, or raise the limit of open files: `ulimit -n`, LimitNOFILE, --ulimit."


class RequestTimeout(SidecarError):
    """A client did not send a complete request in time."""

    code = "REQUEST_TIMEOUT"
    status = 408
    rpc_code = INVALID_REQUEST
    hint = "Send the head of a request within 15 s, and its body within 30 s or at 16 KiB/s."


class BodiesLimit(SidecarError):
    """The limit for the memory of request bodies is reached: of incomplete ones, or of unanswered requests."""

    code = "BODIES_LIMIT"
    status = 503
    retry_after = 5
    hint = "Try again in a few seconds, or send less at once."


class ClientNotReading(SidecarError):
    """A client has not read for 30 s, or less if more than HUB_MAX_UNREAD_BYTES are buffered for all clients."""

    code = "CLIENT_NOT_READING"
    hint = "Read the answers, or request less at once; raise HUB_MAX_UNREAD_BYTES for many slow clients."


class BodyTypeRefused(SidecarError):
    """A client sent a body whose Content-Type is not JSON."""

    code = "BODY_TYPE_REFUSED"
    status = 415
    rpc_code = INVALID_REQUEST
    hint = "Send JSON with the header Content-Type: application/json, not compressed."


class TokenRequired(SidecarError):
    """A request to a protected hub has no token."""

    code = "TOKEN_REQUIRED"
    status = 401
    rpc_code = INVALID_REQUEST
    hint = "Send `Authorization: Bearer <token>`; the hub's operator gets one from `hubctl token` or `hubctl keys`."


class TokenInvalid(SidecarError):
    """A request to a protected hub has a token that is not valid: mistyped, revoked, or another hub's."""

    code = "TOKEN_INVALID"
    status = 401
    rpc_code = INVALID_REQUEST
    hint = "Compare it with the output of `hubctl token`, or create a new key: hubctl keys add NAME."


class ScopeMissing(SidecarError):
    """A request's access token lacks the scope that the endpoint requires."""

    code = "SCOPE_MISSING"
    status = 403
    rpc_code = INVALID_REQUEST
    hint = "Ask the authorization server for a token with the scopes named in the WWW-Authenticate header."


class HostRefused(SidecarError):
    """A request carries a Host or Origin that the hub does not serve (protection against DNS rebinding)."""

    code = "HOST_REFUSED"
    status = 403
    rpc_code = INVALID_REQUEST
    hint = "Use a loopback address, or name the host in HUB_ALLOWED_HOSTS."


class FrontAway(SidecarError):
    """The front, which serves the pages, the API and unusual requests to endpoints, does not answer."""

    code = "FRONT_AWAY"
    status = 503
    retry_after = 5
    hint = "The hub restarts it. If it does not come back, see front.log in the logs directory."
