"""Authentication in a protected hub: an ASGI layer that requires a bearer token (RFC 6750) and finds the principal."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Receive, Scope, Send

from bridge.deadlines import set_within
from bridge.keys import KEY_ID, POLL_SECONDS, Principal
from sidecar.admission.admission import Admission
from sidecar.admission.context import ANONYMOUS
from sidecar.errors import SidecarError
from sidecar.http_errors import ScopeMissing, TokenInvalid, TokenRequired
from sidecar.listener.asgi import header, respond_error
from sidecar.listener.challenges import Challenges, Headers
from sidecar.listener.refusals import Refusals

if TYPE_CHECKING:
    from sidecar.access.authenticator import Authenticator
    from sidecar.access.credential import Credential

log = logging.getLogger(__name__)

OPEN_PATH = "/healthz"
PRINCIPAL_KEY = "principal"
"""The key in `scope["state"]` under which the layer puts the principal of a request."""
END_KEY = "token_end"
"""The key in `scope["state"]` of the time when the token of a request ends."""
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
HOLDER_ID = re.compile(rf"{KEY_ID.pattern}|g[0-9a-f]{{16}}")
"""Ids of named keys and of grants."""
ELSEWHERE = "The token of the request is not for this address."


def principal_of(scope: Scope) -> Principal:
    """The principal of a request: the one that `Gate` found, or `ANONYMOUS` in an unprotected hub."""
    found: Principal = scope.get("state", {}).get(PRINCIPAL_KEY, ANONYMOUS)
    return found


def end_of_token(scope: Scope) -> float | None:
    """When the token of a request ends (Unix time); None if it does not. What the request began may last longer."""
    end: float | None = scope.get("state", {}).get(END_KEY)
    return end


class Gate:
    """The ASGI application of a protected hub: passes authenticated requests on to `app`.

    `on_change` is called after credentials were ended, or their principals changed; `on_look` after each look for
    that. The observers of `admission` are told of each request that is refused.
    """

    def __init__(
        self,
        app: ASGIApp,
        authenticator: Authenticator,
        challenges: Challenges,
        on_change: Callable[[], None],
        admission: Admission | None = None,
        on_look: Callable[[], None] = lambda: None,
    ) -> None:
        self._app = app
        self._refusals = Refusals(admission or Admission())
        self._authenticator = authenticator
        self._challenges = challenges
        self._on_change, self._on_look = on_change, on_look
        self._cached: dict[bytes, Credential] = {}
        self._version = authenticator.version
        self._running: dict[asyncio.Timeout, Principal] = {}
        self._used: dict[str, tuple[Principal, float]] = {}
        """The last request of each key and each grant, and its time (Unix time), without those on the direct way."""
        self._refused = 0
        self._logged_at = float("-inf")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, for as long as its credential is valid."""
        if scope["type"] != "http":
            return
        state = scope.setdefault("state", {})
        if scope["path"] == OPEN_PATH:
            state[PRINCIPAL_KEY] = NOBODY
            await self._app(scope, receive, send)
            return
        try:
            credential = await self._credential(header(scope, b"authorization"))
            self._check_use(credential, scope)
        except SidecarError as error:
            self._log_refusal(error)
            await self._refusals.refuse(NOBODY, scope, send, error, 0, self._challenge(error, scope))
            return
        principal = state[PRINCIPAL_KEY] = credential.principal
        state[END_KEY] = credential.until
        if HOLDER_ID.fullmatch(holder := principal.grant or principal.id):
            self._used[holder] = principal, time.time()
        await self._serve(principal, scope, receive, send)

    async def _serve(self, principal: Principal, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request until it is answered, or its credential ends, for which `_end_running` looks."""
        end = asyncio.timeout(None)
        try:
            async with end:
                self._running[end] = principal
                await self._app(scope, receive, send)
        except TimeoutError:
            if not end.expired():
                raise
            await _end_revoked(send, self._challenges.invalid_token(scope))
        finally:
            self._running.pop(end, None)

    def _check_use(self, credential: Credential, scope: Scope) -> None:
        """Check that a token is for this resource, and for what a request to it does. Raises TokenInvalid,
        ScopeMissing."""
        if credential.audiences is not None and not credential.audiences & self._challenges.resources(scope):
            raise TokenInvalid(ELSEWHERE)
        if credential.lacks:
            raise ScopeMissing(f"The token of the request lacks the scope {credential.lacks!r}.")

    def _challenge(self, error: SidecarError, scope: Scope) -> Headers:
        if isinstance(error, TokenRequired):
            return self._challenges.without_token(scope)
        if isinstance(error, ScopeMissing):
            return self._challenges.insufficient_scope(scope)
        return self._challenges.invalid_token(scope)

    def admits(self, value: bytes) -> bool:
        """Whether an Authorization header has a valid token of at least `MIN_TOKEN_LENGTH` characters, which can be
        served without the front.

        The front limits the attempts of each address at shorter tokens, which might be guessed. And it knows how the
        client addresses the hub, which is needed to refuse a token, or to check what a JWT is for.
        """
        if len(value.partition(b" ")[2].strip()) < MIN_TOKEN_LENGTH:
            return False
        try:
            credential = self._authenticate(value)
        except SidecarError:
            return False
        return credential.audiences is None and not credential.lacks

    async def _credential(self, value: bytes) -> Credential:
        """As `_authenticate`; waits for what an authenticator has to find out first."""
        try:
            return self._authenticate(value)
        except TokenInvalid:
            if not await self._authenticator.learn(value.partition(b" ")[2].strip().decode("latin-1")):
                raise
        return self._authenticate(value)

    def _authenticate(self, value: bytes) -> Credential:
        """The credential of the token in an Authorization header. Raises TokenRequired, TokenInvalid."""
        scheme, _, token = value.partition(b" ")
        token = token.strip()
        if scheme.lower() != b"bearer" or not token:
            raise TokenRequired("The request has no token.")
        self._check_version()
        token_hash = sha256(token).digest()  # a lookup by hash leaks nothing about the token through its timing
        credential = self._cached.get(token_hash)
        if credential is None or credential.expired:
            credential = self._authenticator.check(token.decode("latin-1"))
            self._check_version()
            if credential is None or credential.expired:
                self._cached.pop(token_hash, None)
                raise TokenInvalid("The token of the request is not valid.")
            if len(self._cached) >= MAX_CACHED_TOKENS:
                self._cached.clear()
            self._cached[token_hash] = credential
        return credential

    def last_uses(self, of_sessions: Mapping[str, float]) -> dict[str, float]:
        """The time of the last request (Unix time) of each named key and each grant, by id. `of_sessions` has those of
        sessions, which include requests on the direct way."""
        found = dict(of_sessions)
        for holder, (_, at) in self._used.items():
            found[holder] = max(found.get(holder, 0.0), at)
        return {holder: at for holder, at in found.items() if HOLDER_ID.fullmatch(holder)}

    # --- changes ---------------------------------------------------------------------------------------------------

    async def run(self, until: asyncio.Event) -> None:
        """Look for changes every `POLL_SECONDS` until `until` is set, and end what has lost its credential.

        The files are polled because they may be on a mounted volume that sends no change events.
        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._authenticator.run(until))
            await self._look(until)

    async def _look(self, until: asyncio.Event) -> None:
        while not until.is_set():
            await set_within(until, POLL_SECONDS)
            self._authenticator.refresh()
            self._check_version()
            self._end_running(lapsed_only=True)
            self._on_look()

    def _check_version(self) -> None:
        """End what was revoked if credentials have changed; called after each reading of the files."""
        if self._authenticator.version != self._version:
            self._version = self._authenticator.version
            self._cached.clear()
            current = self._authenticator.current
            self._used = {holder: use for holder, use in self._used.items() if current(use[0]) is not None}
            self._end_running(lapsed_only=False)
            self._on_change()

    def _end_running(self, *, lapsed_only: bool) -> None:
        """End the requests whose credential was ended, or has lapsed: its last token has ended, and none has come."""
        for end, principal in self._running.items():
            if end.when() == 0 or (lapsed_only and not principal.expired):
                continue
            now = self._authenticator.current(principal)
            if now is None or now.expired:
                end.reschedule(0)
            else:
                self._running[end] = now

    def _log_refusal(self, error: SidecarError) -> None:
        """Log refused requests, at most one line per `LOG_INTERVAL`. The front logs the addresses."""
        self._refused += 1
        now = time.monotonic()
        if now - self._logged_at >= LOG_INTERVAL:
            log.warning("a request was refused", extra={"code": error.code, "requests": self._refused})
            self._logged_at, self._refused = now, 0


async def _end_revoked(send: Send, challenge: Headers) -> None:
    """End the response to a client whose token was revoked, or has lapsed."""
    with contextlib.suppress(TimeoutError, RuntimeError, OSError):
        async with asyncio.timeout(REVOKED_SECONDS):
            try:
                await respond_error(send, 401, TokenInvalid("The token of the request was revoked."), challenge)
            except RuntimeError:  # the response has begun: a stream
                await send({"type": "http.response.body", "body": b""})
