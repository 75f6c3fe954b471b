"""Who asks: in a protected hub, one ASGI layer above everything lets in whoever has a token, and nobody else."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from hashlib import sha256

from starlette.types import ASGIApp, Receive, Scope, Send

from bridge.keys import KEY_ID, POLL_SECONDS, Keyring, Principal
from sidecar.admission.context import ANONYMOUS
from sidecar.errors import SidecarError
from sidecar.http_errors import TokenInvalid, TokenRequired
from sidecar.listener.asgi import header, respond_error

log = logging.getLogger(__name__)

OPEN_PATH = "/healthz"
PRINCIPAL = "principal"
"""Where in `scope["state"]` the layer puts whose request it is."""
NOBODY = Principal("", "nobody", frozenset())
"""Whose requests those without a token are, where none is wanted."""
UNGUESSABLE = 32
"""Characters of a token from which on nobody guesses it (as in front/server/access/auth.mjs)."""
MOST_KNOWN = 1024
"""Tokens that are remembered as good, by their hash."""
LAST_WORDS = 0.5
"""Seconds in which a client whose token was revoked has to take the end of its stream."""
NEWS_PERIOD = 1.0
"""Seconds between two lines of the log about refused requests."""

WITHOUT = ((b"www-authenticate", b'Bearer realm="yamcp-hub"'),)
WRONG = ((b"www-authenticate", b'Bearer realm="yamcp-hub", error="invalid_token"'),)


def principal_of(scope: Scope) -> Principal:
    """Whose request it is: what the `Gate` found, where there is one."""
    found: Principal = scope.get("state", {}).get(PRINCIPAL, ANONYMOUS)
    return found


class Gate:
    """The ASGI application of a protected hub, around the one that serves.

    `on_change` is called after keys were added, changed or revoked.
    """

    def __init__(self, app: ASGIApp, keyring: Keyring, on_change: Callable[[], None]) -> None:
        self._app = app
        self._keyring = keyring
        self._on_change = on_change
        self._known: dict[bytes, Principal] = {}
        self._version = keyring.version
        self._running: dict[asyncio.Timeout, Principal] = {}
        self._used: dict[Principal, float] = {}
        """When each sent a request last (Unix time), those on the direct way aside."""
        self._refused = 0
        self._told_at = float("-inf")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, for as long as its token is good."""
        if scope["type"] != "http":
            return
        state = scope.setdefault("state", {})
        if scope["path"] == OPEN_PATH:
            state[PRINCIPAL] = NOBODY
            await self._app(scope, receive, send)
            return
        try:
            principal = state[PRINCIPAL] = self._whose(header(scope, b"authorization"))
            self._used[principal] = time.time()
        except SidecarError as error:
            self._tell(error)
            await respond_error(send, 401, error, WITHOUT if isinstance(error, TokenRequired) else WRONG)
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
            await _cut(send)
        finally:
            self._running.pop(end, None)

    def admits(self, value: bytes) -> bool:
        """Whether an Authorization header has a good token that nobody could have guessed.

        Whether a shorter one is good is not to be found out here: the front counts the attempts of each address.
        """
        if len(value.partition(b" ")[2].strip()) < UNGUESSABLE:
            return False
        try:
            self._whose(value)
        except SidecarError:
            return False
        return True

    def _whose(self, value: bytes) -> Principal:
        """Whose token an Authorization header has. Raises TokenRequired, TokenInvalid."""
        scheme, _, token = value.partition(b" ")
        token = token.strip()
        if scheme.lower() != b"bearer" or not token:
            raise TokenRequired("The request has no token.")
        self._follow()
        mark = sha256(token).digest()  # what is looked up says nothing of a token by the time that it takes
        principal = self._known.get(mark)
        if principal is None or principal.expired:
            principal = self._keyring.check(token.decode("latin-1"))
            self._follow()
            if principal is None or principal.expired:
                raise TokenInvalid("The token of the request is not valid.")
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[mark] = principal
        return principal

    def last_uses(self, of_sessions: Mapping[str, float]) -> dict[str, float]:
        """When each named key last sent a request (Unix time), by its id; `of_sessions` on the direct way."""
        found = dict(of_sessions)
        for principal, at in self._used.items():
            found[principal.id] = max(found.get(principal.id, 0.0), at)
        return {key: at for key, at in found.items() if KEY_ID.fullmatch(key)}

    # --- changes ---------------------------------------------------------------------------------------------------

    async def run(self, until: asyncio.Event) -> None:
        """Look at the keys until `until` is set: what was revoked ends, requests that last included.

        A look every `POLL_SECONDS`, as the files may lie where no event comes from (a mounted volume).
        """
        while not until.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await until.wait()
            self._keyring.refresh()
            self._follow()

    def _follow(self) -> None:
        """What was revoked ends as soon as the files were looked at, whatever for."""
        if self._keyring.version != self._version:
            self._recheck()

    def _recheck(self) -> None:
        self._version = self._keyring.version
        self._known.clear()
        self._used = {now: at for each, at in self._used.items() if (now := self._keyring.current(each)) is not None}
        for end, principal in self._running.items():
            if self._keyring.current(principal) is None and end.when() != 0:
                end.reschedule(0)
        self._on_change()

    def _tell(self, error: SidecarError) -> None:
        """One line a second, however many come: the front has told the address of those that came through it."""
        self._refused += 1
        now = time.monotonic()
        if now - self._told_at >= NEWS_PERIOD:
            log.warning("a request was refused", extra={"code": error.code, "requests": self._refused})
            self._told_at, self._refused = now, 0


async def _cut(send: Send) -> None:
    """End a response whose client is not let in any more."""
    with contextlib.suppress(TimeoutError, RuntimeError, OSError):
        async with asyncio.timeout(LAST_WORDS):
            try:
                await respond_error(send, 401, TokenInvalid("The token of the request was revoked."), WRONG)
            except RuntimeError:  # the response has begun: a stream
                await send({"type": "http.response.body", "body": b""})
