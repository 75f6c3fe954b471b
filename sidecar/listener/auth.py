"""Authentication in a protected hub: an ASGI layer that requires a bearer token (RFC 6750) and finds the principal."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from hashlib import sha256

from starlette.types import ASGIApp, Receive, Scope, Send

from bridge.keys import KEY_ID, POLL_SECONDS, Keyring, Principal
from sidecar.admission.admission import Admission
from sidecar.admission.context import ANONYMOUS
from sidecar.errors import SidecarError
from sidecar.http_errors import TokenInvalid, TokenRequired
from sidecar.listener.asgi import header, respond_error
from sidecar.listener.refusals import Refusals

log = logging.getLogger(__name__)

OPEN_PATH = "/healthz"
PRINCIPAL_KEY = "principal"
"""The key in `scope["state"]` under which the layer puts the principal of a request."""
NOBODY = Principal("", "nobody", frozenset())
"""The principal of requests to `OPEN_PATH`, which needs no token."""
MIN_TOKEN_LENGTH = 32
"""Length from which on a token cannot be guessed, in characters (as in front/server/access/auth.mjs)."""
MAX_CACHED_TOKENS = 1024
"""Limit for the cache of valid tokens, which are stored as hashes."""
REVOKED_SECONDS = 0.5
"""Seconds within which the end of a stream must be sent to a client whose token was revoked."""
LOG_INTERVAL = 1.0
"""Minimum number of seconds between two log lines about refused requests."""

NO_TOKEN_HEADERS = ((b"www-authenticate", b'Bearer realm="yamcp-hub"'),)
INVALID_TOKEN_HEADERS = ((b"www-authenticate", b'Bearer realm="yamcp-hub", error="invalid_token"'),)


def principal_of(scope: Scope) -> Principal:
    """The principal of a request: the one that `Gate` found, or `ANONYMOUS` in an unprotected hub."""
    found: Principal = scope.get("state", {}).get(PRINCIPAL_KEY, ANONYMOUS)
    return found


class Gate:
    """The ASGI application of a protected hub: passes authenticated requests on to `app`.

    `on_change` is called after keys were added, changed or revoked. The observers of `admission` are told of each
    request that is refused.
    """

    def __init__(
        self, app: ASGIApp, keyring: Keyring, on_change: Callable[[], None], admission: Admission | None = None
    ) -> None:
        self._app = app
        self._refusals = Refusals(admission or Admission())
        self._keyring = keyring
        self._on_change = on_change
        self._cached: dict[bytes, Principal] = {}
        self._version = keyring.version
        self._running: dict[asyncio.Timeout, Principal] = {}
        self._used: dict[Principal, float] = {}
        """The time of each principal's last request (Unix time), without requests on the direct way."""
        self._refused = 0
        self._logged_at = float("-inf")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, for as long as its token is valid."""
        if scope["type"] != "http":
            return
        state = scope.setdefault("state", {})
        if scope["path"] == OPEN_PATH:
            state[PRINCIPAL_KEY] = NOBODY
            await self._app(scope, receive, send)
            return
        try:
            principal = state[PRINCIPAL_KEY] = self._authenticate(header(scope, b"authorization"))
            self._used[principal] = time.time()
        except SidecarError as error:
            self._log_refusal(error)
            challenge = NO_TOKEN_HEADERS if isinstance(error, TokenRequired) else INVALID_TOKEN_HEADERS
            await self._refusals.refuse(NOBODY, scope, send, error, 401, challenge)
            return
        left = None if principal.valid_until is None else principal.valid_until - time.time()
        end = asyncio.timeout(left)
        try:
            async with end:
                self._running[end] = principal
                await self._app(scope, receive, send)
        except TimeoutError:
            if not end.expired():
                raise
            await _end_revoked(send)
        finally:
            self._running.pop(end, None)

    def admits(self, value: bytes) -> bool:
        """Whether an Authorization header has a valid token of at least `MIN_TOKEN_LENGTH` characters.

        Shorter tokens, which might be guessed, are left to the front, which limits the attempts of each address.
        """
        if len(value.partition(b" ")[2].strip()) < MIN_TOKEN_LENGTH:
            return False
        try:
            self._authenticate(value)
        except SidecarError:
            return False
        return True

    def _authenticate(self, value: bytes) -> Principal:
        """The principal of the token in an Authorization header. Raises TokenRequired, TokenInvalid."""
        scheme, _, token = value.partition(b" ")
        token = token.strip()
        if scheme.lower() != b"bearer" or not token:
            raise TokenRequired("The request has no token.")
        self._check_version()
        token_hash = sha256(token).digest()  # a lookup by hash leaks nothing about the token through its timing
        principal = self._cached.get(token_hash)
        if principal is None or principal.expired:
            principal = self._keyring.check(token.decode("latin-1"))
            self._check_version()
            if principal is None or principal.expired:
                raise TokenInvalid("The token of the request is not valid.")
            if len(self._cached) >= MAX_CACHED_TOKENS:
                self._cached.clear()
            self._cached[token_hash] = principal
        return principal

    def last_uses(self, of_sessions: Mapping[str, float]) -> dict[str, float]:
        """The time of each named key's last request (Unix time), by key id. `of_sessions` has those of sessions, which
        include requests on the direct way."""
        found = dict(of_sessions)
        for principal, at in self._used.items():
            found[principal.id] = max(found.get(principal.id, 0.0), at)
        return {key: at for key, at in found.items() if KEY_ID.fullmatch(key)}

    # --- changes ---------------------------------------------------------------------------------------------------

    async def run(self, until: asyncio.Event) -> None:
        """Read the keys again every `POLL_SECONDS` until `until` is set, and end the requests of revoked ones.

        The files are polled because they may be on a mounted volume that sends no change events.
        """
        while not until.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await until.wait()
            self._keyring.refresh()
            self._check_version()

    def _check_version(self) -> None:
        """End what was revoked if the keys have changed; called after each reading of the files."""
        if self._keyring.version != self._version:
            self._recheck()

    def _recheck(self) -> None:
        self._version = self._keyring.version
        self._cached.clear()
        self._used = {now: at for each, at in self._used.items() if (now := self._keyring.current(each)) is not None}
        for end, principal in self._running.items():
            if self._keyring.current(principal) is None and end.when() != 0:
                end.reschedule(0)
        self._on_change()

    def _log_refusal(self, error: SidecarError) -> None:
        """Log refused requests, at most one line per `LOG_INTERVAL`. The front logs the addresses."""
        self._refused += 1
        now = time.monotonic()
        if now - self._logged_at >= LOG_INTERVAL:
            log.warning("a request was refused", extra={"code": error.code, "requests": self._refused})
            self._logged_at, self._refused = now, 0


async def _end_revoked(send: Send) -> None:
    """End the response to a client whose token was revoked."""
    with contextlib.suppress(TimeoutError, RuntimeError, OSError):
        async with asyncio.timeout(REVOKED_SECONDS):
            try:
                await respond_error(
                    send, 401, TokenInvalid("The token of the request was revoked."), INVALID_TOKEN_HEADERS
                )
            except RuntimeError:  # the response has begun: a stream
                await send({"type": "http.response.body", "body": b""})
