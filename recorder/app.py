"""Connects the parts of the recorder and runs them."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
import time

from bridge import heartbeat
from bridge.errors import HubError
from bridge.logs import configure
from bridge.private import make_directory
from bridge.runtime import prepare_runtime_dir
from bridge.server import BridgeServer
from bridge.settings import Settings, load
from bridge.sockets import ZMQ
from bridge.transport import Transport
from recorder.api import RecordsApi
from recorder.engines import make_store
from recorder.errors import StoreCorrupt
from recorder.intake import Intake
from recorder.retention import Retention
from recorder.store import Store

log = logging.getLogger(__name__)


async def run(
    settings: Settings,
    started: asyncio.Event | None = None,
    *,
    transport: Transport = ZMQ,
    store: Store | None = None,
) -> None:
    """Run the recorder until cancelled; `started` is set once it serves requests. `store`: instead of a database.

    Raises:
        HubError: a directory or address cannot be used. Errors from tasks come in an ExceptionGroup.
    """
    prepare_runtime_dir(settings.runtime)
    make_directory(settings.spool_dir)
    url = database_url(settings)
    intake = Intake(settings.spool_dir, store or _made(settings, url))
    api = RecordsApi(intake, "postgresql" if url else "sqlite", settings.replica)

    async def failed(error: HubError) -> None:
        if isinstance(error, StoreCorrupt) and url is None:
            await intake.store.close()
            api.note = set_aside(settings)
            intake.store = _made(settings, url)

    intake.failed = failed
    server = BridgeServer(settings.records_address, api.handlers(), transport=transport)
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(server.serve(started), name="serve records")
            tasks.create_task(intake.run(), name="store records")
            tasks.create_task(Retention(intake, settings).run(), name="delete old records")
    finally:
        await intake.store.close()


def database_url(settings: Settings) -> str | None:
    """The address of the PostgreSQL database: HUB_DATABASE_URL, which `hubctl run` hands over in a file."""
    if settings.database_url:
        return settings.database_url.get_secret_value()
    try:
        return settings.database_url_file.read_text("utf-8").strip() or None
    except FileNotFoundError:
        return None


def _made(settings: Settings, url: str | None) -> Store:
    return make_store(settings.history_file, url, settings.database_schema, settings.replica)


def set_aside(settings: Settings) -> tuple[str, str]:
    """Rename a damaged database and its journal, so that a new one is made. Returns code and message for people."""
    file = settings.history_file
    moved = file.with_name(f"{file.name}.corrupt-{time.strftime('%Y%m%dT%H%M%S')}")
    for suffix in ("", "-wal", "-shm"):
        part = file.with_name(file.name + suffix)
        if part.exists():
            part.rename(moved.with_name(moved.name + suffix))
    message = f"{file} was damaged. It is now {moved.name}, and a new history has begun."
    log.error("the history was damaged", extra={"code": StoreCorrupt.code, "file": str(file), "moved": str(moved)})
    return StoreCorrupt.code, message


def run_process() -> int:
    """Run until SIGTERM or SIGINT; return the exit status: 2, with one line on stderr, if it cannot start."""
    try:
        settings = load()
        configure("recorder", settings.log_level)
        gc.freeze()
        asyncio.run(_run_until_signal(settings))
    except HubError as error:
        return _cannot_start(error)
    except BaseExceptionGroup as group:
        if isinstance(found := group.exceptions[0], HubError):
            return _cannot_start(found)
        raise
    return 0


async def _run_until_signal(settings: Settings) -> None:
    heartbeat.start()
    loop = asyncio.get_running_loop()
    recorder = asyncio.ensure_future(run(settings))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, recorder.cancel)
    try:
        await recorder
    except asyncio.CancelledError:
        logging.getLogger(__name__).info("stopped")


def _cannot_start(error: HubError) -> int:
    sys.stderr.write(f"{error.code}: {error.message} {error.advice}".replace("\n", " ") + "\n")
    return 2
