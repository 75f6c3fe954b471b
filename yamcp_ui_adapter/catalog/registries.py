"""The registries that are sources of the catalogue: which there are, and the task that copies their entries."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

from bridge.errors import HubError
from bridge.models.catalog.entries import CatalogSource
from bridge.private import make_directory, write_file
from yamcp_ui_adapter.activation.target import Json
from yamcp_ui_adapter.catalog import registry_cache, registry_client
from yamcp_ui_adapter.catalog.errors import CatalogFileBroken, NoSuchSource, RegistryFailed, SourceInvalid
from yamcp_ui_adapter.catalog.registry_cache import Copy
from yamcp_ui_adapter.catalog.sources import OWN, SHIPPED

log = logging.getLogger(__name__)

SOURCES_FILE = "catalog/sources.json"
"""In HUB_DATA_DIR: `{"sources": [{"id": ..., "url": ..., "title": ...}]}`."""
MAX_REGISTRIES = 16
STALE_SECONDS = 86_400.0
"""A copy that is older is brought up to date."""
OVERLAP_SECONDS = 3600
"""`updated_since` goes back so much further, since the registry's clock is another one."""
FETCH_SECONDS = 1800.0
"""For a whole fetch."""


class Registry:
    """A registry, and the copy of its entries (see `sources.Source`)."""

    local = False

    def __init__(self, id_: str, url: str, title: str, directory: Path) -> None:
        self.id, self.url, self.title = id_, url, title
        self.path = directory / f"{id_}.json"
        self.waiting = False
        self._error: HubError | None = None
        self._now: Copy | None = None

    @property
    def copy(self) -> Copy:
        """The copy, read from disk when it is first needed."""
        if self._now is None:
            self._now = registry_cache.read(self.path, self.url)
        return self._now

    def entries(self) -> Sequence[Json]:
        """See `sources.Source`."""
        return self.copy.entries()

    async def version(self, name: str, version: str) -> Json | None:
        """Ask the registry for another version of an entry than the copy has; None if the registry does not have it.

        A registry is asked for names that it has told itself only. Raises RegistryFailed.
        """
        if name not in self.copy.servers:
            return None
        return await registry_client.version_of(self.url, name, version)

    def state(self) -> CatalogSource:
        """See `sources.Source`."""
        return CatalogSource(
            id=self.id, title=self.title, url=self.url, entries=len(self.copy.servers), fetched=self.copy.fetched,
            refreshing=self.waiting, error=self._error and self._error.body(),
        )  # fmt: skip

    async def refresh(self) -> None:
        """Fetch what changed, and keep it, if all of it came. What went wrong is in `state`."""
        began = time.time()
        changed: list[Json] = []
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                async for page in registry_client.entries(self.url, self._since()):
                    changed += page
            copy = self.copy.with_changes(changed, began)
            await asyncio.to_thread(registry_cache.write, self.path, copy)
        except TimeoutError:
            self._error = RegistryFailed(f"Reading {self.url} took more than {FETCH_SECONDS:g} s.")
        except HubError as error:
            self._error = error
        else:
            self._now, self._error = copy, None
        if self._error is not None:
            log.warning("The registry %r was not copied: %s", self.id, self._error)

    def _since(self) -> str | None:
        if self.copy.fetched is None:
            return None
        return datetime.fromtimestamp(int(self.copy.fetched) - OVERLAP_SECONDS, UTC).isoformat().replace("+00:00", "Z")


class Registries:
    """All registries, in catalog/sources.json. `run` owns their copies."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir.absolute() / SOURCES_FILE
        self._wake = asyncio.Event()

    @cached_property
    def _all(self) -> dict[str, Registry]:
        return {one["id"]: self._registry(one["id"], one["url"], one.get("title", "")) for one in self._read()}

    def all(self) -> list[Registry]:
        """Return them in the order in which they were added."""
        return list(self._all.values())

    def put(self, id_: str, url: str, title: str) -> None:
        """Add a registry, or replace it, and have it copied. Raises SourceInvalid, CatalogFileBroken."""
        if id_ in (OWN, SHIPPED):
            raise SourceInvalid(f"The id {id_!r} is the hub's own.")
        if not usable(url):
            raise SourceInvalid(f"{url!r} is not the URL of a registry.")
        if id_ not in self._all and len(self._all) >= MAX_REGISTRIES:
            raise SourceInvalid(f"There are {MAX_REGISTRIES} registries already.")
        self._write({**self._all, id_: self._registry(id_, url, title)})
        self.refresh(id_)

    def remove(self, id_: str) -> None:
        """Remove a registry and its copy. Raises NoSuchSource, CatalogFileBroken."""
        gone = self._one(id_)
        self._write({key: each for key, each in self._all.items() if key != id_})
        gone.path.unlink(missing_ok=True)

    def refresh(self, id_: str) -> None:
        """Have the copy of a registry brought up to date. Raises NoSuchSource."""
        self._one(id_).waiting = True
        self._wake.set()

    async def run(self) -> None:
        """Copy registries, one at a time: those that were asked for, and those whose copy is a day old."""
        while True:
            self._wake.clear()
            for each in self.all():
                age = time.time() - (each.copy.fetched or 0.0)
                if each.waiting or age > STALE_SECONDS:
                    await self._refresh(each)
            if self._all:
                await _either(self._wake, STALE_SECONDS / 24)
            else:
                await self._wake.wait()

    async def _refresh(self, one: Registry) -> None:
        one.waiting = True
        try:
            await one.refresh()
        finally:
            one.waiting = False
        if one.id not in self._all:  # it was removed meanwhile
            one.path.unlink(missing_ok=True)

    def _one(self, id_: str) -> Registry:
        found = self._all.get(id_)
        if found is None:
            raise NoSuchSource(f"The catalogue has no registry {id_!r}.")
        return found

    def _registry(self, id_: str, url: str, title: str) -> Registry:
        return Registry(id_, url, title or urlsplit(url).netloc, self._path.parent / "cache")

    def _read(self) -> list[dict[str, str]]:
        try:
            listed = json.loads(self._path.read_bytes())["sources"]
            return [one for one in listed if usable(one["url"]) and isinstance(one["id"], str) and "/" not in one["id"]]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("%s cannot be used (%r): the catalogue goes on without registries.", self._path, error)
            return []

    def _write(self, registries: dict[str, Registry]) -> None:
        listed = [{"id": each.id, "url": each.url, "title": each.title} for each in registries.values()]
        try:
            make_directory(self._path.parent)
            write_file(self._path, json.dumps({"sources": listed}, indent=2).encode() + b"\n")
        except OSError as error:
            raise CatalogFileBroken(f"{self._path} cannot be written: {error.strerror}.") from None
        self._all = registries


def usable(url: object) -> bool:
    """Whether it is an http or https URL of a host, without user, query and fragment."""
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
        return bool(
            parts and parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
            and "@" not in parts.netloc and not parts.query and not parts.fragment
        )  # fmt: skip
    except ValueError:
        return False


async def _either(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event, for at most so long."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
