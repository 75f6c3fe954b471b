"""The public keys of an external authorization server (RFC 7517), fetched in the background and kept.

An unknown key id means that the server has begun to use a new key, or that somebody has made a token up; so the keys
are fetched again for it, but not more often than every `MIN_INTERVAL` seconds. While the server cannot be reached, the
last good keys are used.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import httpx2
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key

from bridge.deadlines import set_within
from bridge.settings import Settings
from bridge.settings.jwt import is_safe

log = logging.getLogger(__name__)

REFRESH_SECONDS = 3600.0
"""Seconds after which the keys are fetched again in any case: a key that is withdrawn is used no longer than that."""
MIN_INTERVAL = 30.0
"""Seconds between two fetches at least."""
TIMEOUT = 10.0
MAX_BYTES = 1 << 20
MAX_KEYS = 100

Fetch = Callable[[str], Awaitable[Any]]
"""Gets the JSON at a URL. Raises an exception of any kind if there is none."""


class KeySet:
    """The keys of one issuer. `on_withdrawn` gets the ids of keys that were there before and are no more."""

    def __init__(self, settings: Settings, fetch: Fetch | None = None) -> None:
        self._issuer = settings.jwt_issuer or ""
        self._url = settings.jwt_jwks_url
        self._fetch = fetch or fetch_json
        self._keys: dict[str, Key] = {}
        self._fetched_at = float("-inf")
        self._wanted = asyncio.Event()
        self._fetched = asyncio.Event()
        """Set after each fetch, successful or not; replaced by the next one."""
        self.on_withdrawn: Callable[[frozenset[str]], None] = lambda _: None

    def find(self, kid: str | None) -> list[Key]:
        """The key with that id; without an id, all keys."""
        if kid is None:
            return list(self._keys.values())
        return [self._keys[kid]] if kid in self._keys else []

    async def look_for(self, kid: str | None) -> bool:
        """Fetch the keys for an unknown one, unless they were just fetched. Returns whether it is there now."""
        if self.find(kid):
            return True
        if time.monotonic() - self._fetched_at < MIN_INTERVAL and not self._wanted.is_set():
            return False
        self._wanted.set()
        try:
            async with asyncio.timeout(TIMEOUT):
                await self._fetched.wait()
        except TimeoutError:
            return False
        return bool(self.find(kid))

    async def run(self, until: asyncio.Event) -> None:
        """Fetch the keys now, when they are wanted, and every hour, until `until` is set."""
        async with asyncio.TaskGroup() as tasks:
            keeping = tasks.create_task(self._keep())
            await until.wait()
            keeping.cancel()

    async def _keep(self) -> None:
        while True:
            self._wanted.set()
            await self._update()
            self._wanted.clear()
            self._fetched.set()
            self._fetched = asyncio.Event()
            await set_within(self._wanted, REFRESH_SECONDS if self._keys else MIN_INTERVAL)

    async def _update(self) -> None:
        try:
            async with asyncio.timeout(TIMEOUT):
                found = _keys(await self._fetch(self._url or await self._discover()))
        except Exception as error:
            why = {"issuer": self._issuer, "error": type(error).__name__, "why": str(error)[:200]}
            log.warning("the keys of the authorization server could not be fetched", extra=why)
        else:
            withdrawn = frozenset(kid for kid, key in self._keys.items() if not _is_same(key, found.get(kid)))
            self._keys = found
            if withdrawn:
                self.on_withdrawn(withdrawn)
        self._fetched_at = time.monotonic()

    async def _discover(self) -> str:
        """The URL of the keys, as the issuer's metadata says it (OpenID Connect Discovery; RFC 8414). Raises
        ValueError."""
        parts = urlsplit(self._issuer)
        inserted = f"{parts.scheme}://{parts.netloc}/.well-known/oauth-authorization-server{parts.path.rstrip('/')}"
        last: Exception = ValueError("the issuer has no metadata")
        for url in (f"{self._issuer.rstrip('/')}/.well-known/openid-configuration", inserted):
            try:
                metadata = await self._fetch(url)
            except Exception as error:
                last = error
                continue
            if metadata["issuer"] != self._issuer:
                raise ValueError(f"the metadata is of the issuer {str(metadata['issuer'])[:100]!r}")
            if not is_safe(str(metadata["jwks_uri"])):
                raise ValueError("the address of the keys is not one of HTTPS")
            return str(metadata["jwks_uri"])
        raise last


def _is_same(key: Key, other: Key | None) -> bool:
    """Whether two keys are the same one. A key without an id is named by its place, where another may be later."""
    return other is not None and key.thumbprint() == other.thumbprint()


def _keys(document: Any) -> dict[str, Key]:
    """The public keys for signatures in a key set, without those of unknown types (RFC 7517, 5). Raises ValueError."""
    found: dict[str, Key] = {}
    for number, each in enumerate(document["keys"][:MAX_KEYS]):
        if each.get("use", "sig") == "sig" and each.get("kty") in ("RSA", "EC", "OKP"):
            try:
                found[str(each.get("kid", f"#{number}"))] = JWKRegistry.import_key(each)
            except (JoseError, ValueError, TypeError, KeyError):
                log.warning("a key of the authorization server cannot be used", extra={"number": number})
    if not found:
        raise ValueError("the key set has no key that can be used")
    return found


async def fetch_json(url: str) -> Any:
    """The JSON at a URL. Raises httpx2.HTTPError, ValueError."""
    async with httpx2.AsyncClient(timeout=TIMEOUT) as http, http.stream("GET", url) as response:
        response.raise_for_status()
        body = b""
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > MAX_BYTES:
                raise ValueError(f"the answer of {url} is too large")
        return httpx2.Response(200, content=body).json()
