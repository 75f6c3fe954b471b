"""Wires the adapter together."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from bridge.models import SnapshotId
from bridge.runtime import prepare_runtime_dir
from bridge.server import BridgeServer, EventPublisher
from bridge.settings import Settings
from bridge.sockets import ZMQ
from bridge.transport import Transport
from yamcp_ui_adapter.desired.editor import Editor
from yamcp_ui_adapter.desired.publisher import Publisher
from yamcp_ui_adapter.desired.service import Owner
from yamcp_ui_adapter.desired.state import DesiredState
from yamcp_ui_adapter.desired.store import Store, owned
from yamcp_ui_adapter.edit.backups import Backups
from yamcp_ui_adapter.edit.writer import Writer
from yamcp_ui_adapter.files.debounce import Settle
from yamcp_ui_adapter.files.source import Source
from yamcp_ui_adapter.files.watch import make_directory, watch
from yamcp_ui_adapter.format.entries import HUB, PROVIDERS, WORKSPACES
from yamcp_ui_adapter.keys import KeyCabinet
from yamcp_ui_adapter.seed import seed

log = logging.getLogger(__name__)

FIRST_PATIENCE = 2.0
"""Seconds that a first start with an unusable file waits for whoever is writing it."""


async def run(settings: Settings, started: asyncio.Event | None = None, *, transport: Transport = ZMQ) -> None:
    """Be the adapter until cancelled; `started` is set when it serves.

    Raises:
        HubError: a directory or address cannot be used, or another adapter runs. From tasks, inside an ExceptionGroup.
    """
    with owned(settings.data_dir):
        prepare_runtime_dir(settings.runtime)
        make_directory(settings.yamcp_dir)
        seed(settings.yamcp_dir, settings.data_dir, settings.seed_demo)
        await _serve(settings, started, transport)


async def _serve(settings: Settings, started: asyncio.Event | None, transport: Transport) -> None:
    paths = {
        PROVIDERS: settings.yamcp_dir.absolute() / PROVIDERS,
        WORKSPACES: settings.yamcp_dir.absolute() / WORKSPACES,
        HUB: settings.data_dir.absolute() / HUB,
    }

    settle = Settle()
    state = DesiredState(Store(settings.data_dir))
    events = EventPublisher(settings.desired_events_address, transport=transport)

    def leap(in_force: SnapshotId) -> None:
        owner.leap(in_force)

    def announce() -> None:
        owner.announce()

    publisher = Publisher(settings.actual_address, leap, announce, transport=transport)
    with contextlib.closing(Writer(paths, Backups(settings.data_dir), lambda: state.expected)) as writer:
        keys = KeyCabinet(settings.keys_file.absolute(), lambda: state.workspaces)
        owner = Owner(Source(paths), state, publisher, settle, writer, events.publish, keys)
        editor = Editor(owner, writer, paths)
        await owner.begin(FIRST_PATIENCE)
        handlers = {**owner.handlers(), **editor.handlers(), **keys.handlers()}
        server = BridgeServer(settings.desired_address, handlers, transport=transport)
        async with events, asyncio.TaskGroup() as tasks:
            tasks.create_task(server.serve(started), name="serve desired state")
            tasks.create_task(publisher.run(), name="publish snapshots")
            tasks.create_task(owner.follow(), name="follow the files")
            tasks.create_task(watch([*paths.values(), keys.path], settle.notice), name="watch the files")
            if settings.protected:
                tasks.create_task(keys.uses.run(settings.actual_address, transport), name="keep the uses of keys")
