"""Answers requests about the catalogue, and finds the entries that are activated."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping

from bridge.models import Done
from bridge.models.catalog.entries import (
    CatalogCard,
    CatalogFind,
    CatalogPage,
    CatalogShow,
    CatalogSourceList,
    PutCatalogEntry,
    PutCatalogSource,
    ReadCatalogSources,
    RefreshCatalogSource,
    RemoveCatalogEntry,
    RemoveCatalogSource,
)
from bridge.server import Handlers
from yamcp_ui_adapter.activation.errors import EntryUnsupported, NoSuchEntry
from yamcp_ui_adapter.activation.lookup import Found
from yamcp_ui_adapter.activation.plan import described
from yamcp_ui_adapter.activation.target import Json
from yamcp_ui_adapter.catalog.entry import status_of, summary_of
from yamcp_ui_adapter.catalog.errors import EntryDeleted
from yamcp_ui_adapter.catalog.find import find, named
from yamcp_ui_adapter.catalog.registries import Registries
from yamcp_ui_adapter.catalog.server_json import check
from yamcp_ui_adapter.catalog.sources import OwnEntries, Source

Installed = Callable[[], Mapping[str, str]]
"""Returns the entry (its name) of each installed server, by key."""

MAX_NAMES = 5
"""Names of entries that an error lists."""


class Catalog:
    """All sources, in the order in which they are asked: the user's own entries, the shipped ones, registries."""

    def __init__(self, own: OwnEntries, shipped: Source, registries: Registries, installed: Installed) -> None:
        self._own, self._shipped, self._registries = own, shipped, registries
        self._installed = installed

    @property
    def sources(self) -> list[Source]:
        """All sources, in that order."""
        return [self._own, self._shipped, *self._registries.all()]

    def handlers(self) -> Handlers:
        """Return the handlers of the requests on the desired socket."""
        return {
            CatalogFind: self._find,
            CatalogShow: self._show,
            PutCatalogEntry: self._put,
            RemoveCatalogEntry: self._remove,
            ReadCatalogSources: self._read_sources,
            PutCatalogSource: self._put_source,
            RemoveCatalogSource: self._remove_source,
            RefreshCatalogSource: self._refresh_source,
        }

    # --- for activation ----------------------------------------------------------------------------------------------

    async def entry(self, name: str, version: str | None, source: str | None) -> Found:
        """See `activation.lookup.Lookup`. Raises NoSuchEntry, EntryDeleted, RegistryFailed."""
        found = await self._entry(name, version, source)
        if status_of(found.entry) == "deleted":
            raise EntryDeleted(f"The publisher of {name!r} has deleted this version.")
        return found

    async def _entry(self, name: str, version: str | None, source: str | None) -> Found:
        """Return an entry, of the copies if they have it.

        Raises:
            NoSuchEntry: there is none, or a name without its namespace fits several of the first source that has any.
            RegistryFailed: a registry that has other versions of it did not answer.
        """
        for each in self._of(source):
            found = [one for one in named(each.entries(), name) if version in (None, one.get("version"))]
            if len(names := sorted({str(one.get("name")) for one in found})) > 1:
                raise NoSuchEntry(f"Several entries are called {name!r}: {', '.join(names[:MAX_NAMES])}.")
            if found:
                return Found(found[-1], each.id, local=each.local)
        if version is not None:
            for one in self._registries.all():
                known = named(one.entries(), name) if source in (None, one.id) else ()
                for full in {str(each.get("name")) for each in known}:
                    if (entry := await one.version(full, version)) is not None:
                        return Found(entry, one.id)
        wanted = f"{name!r} of version {version}" if version else repr(name)
        raise NoSuchEntry(f"The catalogue has no entry {wanted}.")

    def found(self, text: str, source: str | None = None) -> Iterator[Found]:
        """Yield the newest version of each entry that fits, best first. Deleted ones are left out."""
        local = {each.id: each.local for each in self.sources}
        for entry, origin in find(self._newest(source), text):
            if status_of(entry) != "deleted":
                yield Found(entry, origin, local=local[origin])

    # --- requests ----------------------------------------------------------------------------------------------------

    async def _find(self, body: CatalogFind) -> CatalogPage:
        keys = self._keys()
        summaries = [
            summary_of(entry, source, keys.get(str(entry.get("name")), ()))
            for entry, source in find(self._newest(body.source), body.text)
        ]
        fitting = [
            each
            for each in summaries
            if (body.category is None or each.category == body.category)
            and (each.without_keys or not body.without_keys)
        ]
        return CatalogPage(
            entries=tuple(fitting[body.offset : body.offset + body.limit]),
            total=len(fitting),
            sources=tuple(source.state() for source in self.sources),
            categories=tuple(sorted({each.category for each in summaries if each.category})),
        )

    async def _show(self, body: CatalogShow) -> CatalogCard:
        """Raises NoSuchEntry, RegistryFailed."""
        found = await self._entry(body.name, body.version, body.source)
        name = str(found.entry.get("name"))
        versions = [
            str(each.get("version", ""))
            for source in self._of(found.source)
            for each in source.entries()
            if each.get("name") == name
        ]
        shown = str(found.entry.get("version", ""))
        if shown not in versions:
            versions.insert(0, shown)
        summary = summary_of(found.entry, found.source, self._keys().get(name, ()))
        card = CatalogCard(
            entry=dict(found.entry),
            summary=summary,
            versions=tuple(reversed(versions)),
            command=(),
            reach=(),
            inputs=(),
        )
        try:
            about = described(found.entry, local=found.local)
        except EntryUnsupported as error:
            return card.model_copy(update={"problem": error.body()})
        return card.model_copy(update={"command": about.command, "reach": about.reach, "inputs": about.inputs})

    async def _put(self, body: PutCatalogEntry) -> Done:
        """Raises EntryInvalid, EntryUnsupported, CatalogFileBroken."""
        check(body.entry)
        described(body.entry, local=True)
        self._own.put(body.entry)
        return Done()

    async def _remove(self, body: RemoveCatalogEntry) -> Done:
        """Raises NoSuchEntry, CatalogFileBroken."""
        self._own.remove(body.name)
        return Done()

    async def _read_sources(self, _: ReadCatalogSources) -> CatalogSourceList:
        return CatalogSourceList(sources=tuple(each.state() for each in self.sources))

    async def _put_source(self, body: PutCatalogSource) -> Done:
        """Raises SourceInvalid, CatalogFileBroken."""
        self._registries.put(body.id, body.url, body.title)
        return Done()

    async def _remove_source(self, body: RemoveCatalogSource) -> Done:
        """Raises NoSuchSource, CatalogFileBroken."""
        self._registries.remove(body.id)
        return Done()

    async def _refresh_source(self, body: RefreshCatalogSource) -> Done:
        """Raises NoSuchSource."""
        self._registries.refresh(body.id)
        return Done()

    # --- helpers -----------------------------------------------------------------------------------------------------

    def _of(self, source: str | None) -> list[Source]:
        return [each for each in self.sources if source in (None, each.id)]

    def _newest(self, source: str | None) -> list[tuple[Json, str]]:
        """The newest version of each entry, of the first source that has it."""
        found: dict[str, tuple[Json, str]] = {}
        for each in self._of(source):
            newest = {str(entry.get("name", "")): entry for entry in each.entries()}
            for name, entry in newest.items():
                found.setdefault(name, (entry, each.id))
        return list(found.values())

    def _keys(self) -> dict[str, list[str]]:
        """The keys of installed servers by the name of their entry."""
        keys: defaultdict[str, list[str]] = defaultdict(list)
        for key, name in self._installed().items():
            keys[name].append(key)
        return dict(keys)
