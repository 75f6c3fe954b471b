"""Keeps results of tool calls, and answers equal calls with them.

Two calls are equal if principal, workspace, server definition, tool, era and arguments are. Where a server shares its
results (`cache_shared`), the principal does not count, unless the hub acts there for each user: by `sign_in`, or by
claims of the user in headers. Only results without `isError` are kept.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import orjson

from bridge.errors import ErrorBody
from bridge.models import ServerSettings
from sidecar.cache.errors import CacheUnavailable
from sidecar.cache.store import CacheStore
from sidecar.features.input_requests import ANSWER_KEYS
from sidecar.protocol import codec
from sidecar.protocol.jsonrpc import as_dict
from sidecar.upstream.variables import acts_for_user

if TYPE_CHECKING:
    from sidecar.admission.context import CallContext
    from sidecar.observe.metrics import Metrics
    from sidecar.routing.offer import Route

log = logging.getLogger(__name__)

META_KEY = "yamcp-hub/cache"
"""In `_meta` of a request: `bypass` asks the server, and keeps its result anew. In `_meta` of a kept result: its age.
"""
BYPASS = "bypass"
MAX_RESULT_BYTES = 256 * 1024
"""Larger results are not kept."""

UNEQUAL = frozenset({"task", *ANSWER_KEYS})
"""Params with which a call is equal to no other: it becomes a task, or its result depends on what a user answered."""

Use = Literal["hit", "miss", "bypass", "error"]


class Lookup:
    """One call whose result may be kept."""

    def __init__(self, cache: ResultCache, key: str, server: str, seconds: float, bypass: bool) -> None:
        self._cache = cache
        self._key = key
        self._server = server
        self._seconds = seconds
        self._bypass = bypass

    async def find(self) -> dict[str, Any] | None:
        """The kept result, with its age in `_meta`; None if the server has to be asked."""
        if self._bypass:
            self._cache.count(self._server, "bypass")
            return None
        return await self._cache.find(self._key, self._server, self._seconds)

    async def keep(self, result: Mapping[str, Any]) -> None:
        """Keep the server's result, if it is one that may be kept."""
        if not result.get("isError") and result.get("resultType", "complete") == "complete":
            await self._cache.keep(self._key, result, self._seconds)


class ResultCache:
    """The kept results of a hub."""

    def __init__(self, store: CacheStore, metrics: Metrics) -> None:
        self._store = store
        self._metrics = metrics
        self._failing = False

    def trouble(self) -> ErrorBody | None:
        """Why results are not kept now; None if they are."""
        return None if self._store.reachable else CacheUnavailable("Redis does not answer.").body()

    async def run(self) -> None:
        """Do what the store has to do in the background, until cancelled."""
        await self._store.run()

    async def close(self) -> None:
        """Close the store."""
        await self._store.close()

    def lookup(self, call: CallContext, route: Route, seconds: float) -> Lookup | None:
        """Look a call up whose result may be kept for so long; None if its arguments cannot be compared, it becomes a
        task or answers what the server asked, or the server's state belongs to one client."""
        settings: ServerSettings = route.offer.spec.settings
        if settings.session == "per_client" or not UNEQUAL.isdisjoint(call.params):
            return None
        shared = settings.cache_shared and not acts_for_user(route.offer.spec)
        owner = "" if shared else call.principal.id
        where = (owner, call.workspace, route.offer.upstream.fingerprint, route.offer.label, route.name, call.era)
        presets = (route.presets.key,) if route.presets else ()
        try:
            text = orjson.dumps([*where, *presets, call.params.get("arguments")], option=orjson.OPT_SORT_KEYS)
        except TypeError:  # integers beyond 64 bits
            return None
        bypass = as_dict(call.params.get("_meta")).get(META_KEY) == BYPASS
        key = hashlib.sha256(text).hexdigest()
        return Lookup(self, key, route.offer.spec.key, seconds, bypass)

    async def find(self, key: str, server: str, seconds: float) -> dict[str, Any] | None:
        """The result under a key, if it is not older than so many seconds: it may have been kept for longer before an
        edit."""
        try:
            found = await self._store.get(key)
        except CacheUnavailable as error:
            self._failed(error)
            self.count(server, "error")
            return None
        self._works()
        kept = None if found is None else _kept(found[0])
        age = 0.0 if kept is None or found is None else max(0.0, round(kept[0] - found[1], 3))
        if kept is None or age >= seconds:
            self.count(server, "miss")
            return None
        self.count(server, "hit")
        result = kept[1]
        return {**result, "_meta": {**as_dict(result.get("_meta")), META_KEY: {"hit": True, "age": age}}}

    async def keep(self, key: str, result: Mapping[str, Any], seconds: float) -> None:
        """Keep a result, unless it is too large."""
        try:
            value = codec.dumps_small([seconds, result])
        except codec.HasLargeValues:
            return
        if len(value) > MAX_RESULT_BYTES:
            return
        try:
            await self._store.put(key, value, seconds)
        except CacheUnavailable as error:
            self._failed(error)

    def count(self, server: str, use: Use) -> None:
        """Count a call in the metrics."""
        self._metrics.cached(server, use)

    def _failed(self, error: CacheUnavailable) -> None:
        if not self._failing:
            log.warning("results are not kept", extra={"code": error.code, "reason": error.message})
        self._failing = True

    def _works(self) -> None:
        if self._failing:
            log.info("results are kept again")
        self._failing = False


def _kept(data: bytes) -> tuple[float, dict[str, Any]] | None:
    """For how long a result was kept, and the result, in the bytes of a store; None for what the hub did not write:
    others may write to Redis."""
    try:
        seconds, result = codec.loads(data)
    except (ValueError, TypeError):
        return None
    known = type(seconds) in (int, float) and isinstance(result, dict) and isinstance(result.get("content"), list)
    return (seconds, result) if known else None
