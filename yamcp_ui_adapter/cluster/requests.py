"""Handles the bridge's requests about the shared configuration."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.models.cluster import (
    ClusterState,
    ConfigExported,
    ConfigImported,
    ExportConfig,
    ImportConfig,
    ReadCluster,
)
from bridge.server import Handlers
from yamcp_ui_adapter.cluster.documents import NAMES, parsed
from yamcp_ui_adapter.cluster.errors import ClusterOff, ConfigDiffers, ConfigInvalid
from yamcp_ui_adapter.cluster.shared import SharedConfig


class ClusterRequests:
    """The handlers of these requests. `shared` is None in a hub that shares its configuration with no other."""

    def __init__(self, shared: SharedConfig | None, replica: str) -> None:
        self._shared = shared
        self._replica = replica

    async def start(self) -> None:
        """Take what the source has, before the files are first read. A source that is away is noted, not raised."""
        if self._shared:
            await self._shared.refresh()

    async def run(self) -> None:
        """Follow the source, until cancelled; nothing in a hub that shares nothing."""
        if self._shared:
            await self._shared.run()

    def handlers(self) -> Handlers:
        """Return the handlers of the requests on the desired socket."""
        return {ReadCluster: self.state, ImportConfig: self.import_config, ExportConfig: self.export_config}

    async def state(self, _: ReadCluster | None = None) -> ClusterState:
        """Return where the configuration comes from, and which version each hub has."""
        if self._shared is None:
            return ClusterState(source="files", state="alone", replica=self._replica)
        return await self._shared.state()

    async def import_config(self, body: ImportConfig) -> ConfigImported:
        """Write a whole configuration into the database.

        Raises:
            ClusterOff, ConfigInvalid, ConfigDiffers, ConfigReadOnly, ConfigDatabaseUnavailable: nothing was written.
        """
        shared = self._database()
        given = None if body.documents is None else {name: text.encode() for name, text in body.documents.items()}
        if given is not None:
            check(given)
        async with shared.files, shared.source.transaction() as transaction:
            newest = transaction.newest
            ours = {name: raw for name, raw in shared.copy.read().items() if raw is not None}
            wanted = ours if given is None else given
            check(wanted)
            changes = {name: wanted.get(name) for name in NAMES if wanted.get(name) != newest.documents.get(name)}
            if changes and newest.epoch and not (body.replace or body.dry_run):
                raise ConfigDiffers(f"{shared.source.target} has another configuration: {', '.join(changes)} differ.")
            if not body.dry_run and (changes or not newest.epoch):
                newest = await transaction.commit(changes, shared.author("import"))
                shared.take_all(newest)
        return ConfigImported(
            epoch=newest.epoch,
            written=tuple(name for name, raw in changes.items() if raw is not None),
            removed=tuple(name for name, raw in changes.items() if raw is None),
        )

    async def export_config(self, body: ExportConfig) -> ConfigExported:
        """Return the configuration of the database, and make this hub's files equal to it.

        Raises:
            ClusterOff, ConfigDatabaseUnavailable: nothing was written.
        """
        shared = self._database()
        async with shared.files, shared.source.transaction() as transaction:
            newest = transaction.newest
            files = shared.copy.read()
            differing = tuple(name for name in NAMES if files.get(name) != newest.documents.get(name))
            if newest.epoch and not body.dry_run:
                shared.take_all(newest)
        documents = {name: raw.decode() for name, raw in newest.documents.items()}
        directory = str(shared.copy.directory)
        return ConfigExported(epoch=newest.epoch, documents=documents, differing=differing, directory=directory)

    def _database(self) -> SharedConfig:
        if self._shared is None or self._shared.source.kind != "database":
            raise ClusterOff("This hub has no HUB_CONFIG_DATABASE.")
        return self._shared


def check(documents: Mapping[str, bytes]) -> None:
    """Check that the documents have known names, and are JSON objects. Raises ConfigInvalid."""
    for name, raw in documents.items():
        if name not in NAMES:
            raise ConfigInvalid(f"A shared configuration has no {name!r}; it has {', '.join(NAMES)}.")
        if parsed(raw) is None:
            raise ConfigInvalid(f"{name} is not a JSON object in UTF-8.")
