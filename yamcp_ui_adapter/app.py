"""Connects the parts of the adapter and runs them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

from bridge.models import Event, Request
from bridge.runtime import prepare_runtime_dir
from bridge.server import BridgeServer, EventPublisher, Handler
from bridge.settings import Settings
from bridge.settings.variables import VARIABLES_FILE
from bridge.sockets import ZMQ
from bridge.transport import Transport
from yamcp_ui_adapter.activation.install.folders import Folders
from yamcp_ui_adapter.activation.jobs import Jobs
from yamcp_ui_adapter.activation.service import Activations
from yamcp_ui_adapter.activation.variables import VariableStore
from yamcp_ui_adapter.activation.work import Site
from yamcp_ui_adapter.approvals.own_requests import OwnRequests
from yamcp_ui_adapter.approvals.service import ApprovalsService
from yamcp_ui_adapter.catalog.registries import Registries
from yamcp_ui_adapter.catalog.service import Catalog
from yamcp_ui_adapter.catalog.sources import OwnEntries, ShippedEntries
from yamcp_ui_adapter.cluster.make import make_shared, recorded_elsewhere, shares_configuration
from yamcp_ui_adapter.cluster.requests import ClusterRequests
from yamcp_ui_adapter.desired.access_json import AccessJson
from yamcp_ui_adapter.desired.change_log import ChangeLog
from yamcp_ui_adapter.desired.curation_reader import curation_handlers
from yamcp_ui_adapter.desired.editor import Editor
from yamcp_ui_adapter.desired.publisher import SnapshotPublisher
from yamcp_ui_adapter.desired.service import DesiredStateService
from yamcp_ui_adapter.desired.settings_editor import SettingsEditor
from yamcp_ui_adapter.desired.state import DesiredState
from yamcp_ui_adapter.desired.store import StateStore, lock_directory
from yamcp_ui_adapter.edit.backups import Backups
from yamcp_ui_adapter.edit.writer import Writer
from yamcp_ui_adapter.files.debounce import Debouncer
from yamcp_ui_adapter.files.reader import FileReader
from yamcp_ui_adapter.files.watch import make_directory, watch
from yamcp_ui_adapter.format.entries import ACCESS, HUB, PROVIDERS, WORKSPACES
from yamcp_ui_adapter.keys import KeyStore
from yamcp_ui_adapter.seed import seed
from yamcp_ui_adapter.sign_in.on_demand import OnDemand

log = logging.getLogger(__name__)

FIRST_START_WAIT_SECONDS = 2.0
"""Seconds for which a first start with an unusable file waits for the program that is writing it."""


async def run(settings: Settings, started: asyncio.Event | None = None, *, transport: Transport = ZMQ) -> None:
    """Run the adapter until cancelled; `started` is set once it serves requests.

    Raises:
        HubError: a directory or address cannot be used, or another adapter runs. Errors from tasks come in an
            ExceptionGroup.
    """
    with lock_directory(settings.data_dir):
        prepare_runtime_dir(settings.runtime)
        make_directory(settings.yamcp_dir)
        seed(settings.yamcp_dir, settings.data_dir, settings.seed_demo and not shares_configuration(settings))
        await _serve(settings, started, transport)


async def _serve(settings: Settings, started: asyncio.Event | None, transport: Transport) -> None:
    paths = {
        PROVIDERS: settings.yamcp_dir.absolute() / PROVIDERS,
        WORKSPACES: settings.yamcp_dir.absolute() / WORKSPACES,
        HUB: settings.data_dir.absolute() / HUB,
        ACCESS: settings.data_dir.absolute() / ACCESS,
    }

    debouncer = Debouncer()
    state = DesiredState(StateStore(settings.data_dir))
    events = EventPublisher(settings.desired_events_address, transport=transport)

    def publish(event: Event) -> None:
        events.publish(event)
        if event.topic == "desired":
            activations.changed.set()

    publisher = SnapshotPublisher(
        settings.actual_address,
        lambda in_force: service.continue_after(in_force),  # noqa: PLW0108  # it is made below
        lambda: service.announce(),  # noqa: PLW0108
        transport=transport,
    )
    changes = ChangeLog(settings.spool_dir if settings.history else None, settings.spool_max_mb * 1_000_000)
    backups = Backups(settings.data_dir)
    access = AccessJson(paths[ACCESS], backups, state, settings.protected)
    written = Writer(paths, backups, lambda: state.expected)

    def changed(subject: str, diff: str) -> None:
        changes.key(subject, diff, state.snapshot)

    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.closing(changes))
        writer = stack.enter_context(contextlib.closing(written))
        keys = KeyStore(settings.keys_file.absolute(), lambda: state.workspaces)
        keys.on_change = changed
        sign_in = stack.enter_context(contextlib.closing(OnDemand(settings, keys, lambda: state.workspaces, changed)))
        reader = FileReader(paths)
        service = DesiredStateService(reader, state, publisher, debouncer, writer, publish, keys, changes, access)
        variables = VariableStore(settings.data_dir.absolute() / VARIABLES_FILE, lambda: state.snapshot.servers)
        variables.on_change, variables.editing = changed, service.editing
        shared = make_shared(settings, service, publisher.held, writer, backups, paths)
        service.shared, cluster = shared, ClusterRequests(shared, settings.replica)
        changes.recorded_elsewhere = recorded_elsewhere(settings, shared)
        folders, registries = Folders(settings.data_dir), Registries(settings.data_dir)
        catalog = Catalog(OwnEntries(settings.data_dir), ShippedEntries(), registries, folders.entries)
        site = Site(settings, service, writer, publisher, variables, folders, transport)
        activations = Activations(site, catalog, Jobs(events.publish))
        handlers: dict[type[Request[Any]], Handler] = {}
        approvals = ApprovalsService(
            settings,
            OwnRequests(handlers),
            catalog,
            lambda: state.snapshot,
            events.publish,
            activations.configure,
        )
        service.on_rename = approvals.renamed
        await cluster.start()
        await service.start(FIRST_START_WAIT_SECONDS)
        handlers |= {
            **service.handlers(),
            **curation_handlers(state),
            **Editor(service, writer, paths).handlers(),
            **SettingsEditor(service, state).handlers(),
            **cluster.handlers(),
            **keys.handlers(),
            **access.handlers(),
            **sign_in.handlers(),
            **variables.handlers(),
            **activations.handlers(),
            **approvals.handlers(),
            **catalog.handlers(),
        }
        server = BridgeServer(settings.desired_address, handlers, transport=transport)
        async with events, asyncio.TaskGroup() as tasks:
            tasks.create_task(server.serve(started), name="serve desired state")
            tasks.create_task(publisher.run(), name="publish snapshots")
            tasks.create_task(service.run(), name="follow the files")
            tasks.create_task(cluster.run(), name="follow the shared configuration")
            tasks.create_task(activations.run(), name="activate servers")
            tasks.create_task(registries.run(), name="copy registries")
            tasks.create_task(watch([*paths.values(), keys.path], debouncer.notice), name="watch the files")
            if settings.protected:
                tasks.create_task(keys.uses.run(settings.actual_address, transport), name="keep the uses of keys")
                tasks.create_task(sign_in.run(), name="keep up grants")
