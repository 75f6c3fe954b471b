"""Routes the notifications of servers to the clients that they concern (ADR 15)."""

from __future__ import annotations

import logging
from typing import Any

from sidecar.observe.log_buffer import SERVER_LOGGER
from sidecar.protocol import codec
from sidecar.sessions.server_tasks import TASK_NOTIFICATIONS
from sidecar.upstream.pool import Pool
from sidecar.upstream.upstream import Upstream

server_log = logging.getLogger(SERVER_LOGGER)

MAX_LOG_BYTES = 4096
"""Longest data of a server's log message, in bytes of JSON, that the hub's own log takes."""
LOG_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "notice": logging.INFO, "warning": logging.WARNING}


def route_notification(pool: Pool, upstream: Upstream, method: str, params: dict[str, Any]) -> None:
    """Pass a notification of a server on: resource updates to subscribers, task notifications to the task's client.

    Log messages also go to the hub's log. All others reach the client of the upstream if it has exactly one, since the
    protocol does not tell for which of several clients a notification is.
    """
    if method == "notifications/resources/updated":
        uri = str(params.get("uri"))
        for subscriber in upstream.subscriptions.subscribers_of(uri):
            subscriber.resource_updated(upstream, uri)
        return
    if method in TASK_NOTIFICATIONS:
        for client in pool.clients(upstream):
            client.task_changed(upstream, method, params)
        return
    if method == "notifications/message":
        level = LOG_LEVELS.get(str(params.get("level")), logging.ERROR)
        server_log.log(
            min(level, logging.INFO),
            "server log",
            extra={"server": upstream.spec.key, "data": _loggable(params.get("data"))},
        )
    alone = pool.only_client(upstream)
    if alone is None or pool.shared_between_keys(upstream):
        return  # nothing in the protocol says which of several clients it is for
    if method != "notifications/message" or alone.wants_log(str(params.get("level"))):
        alone.notify(method, params)


def _loggable(data: Any) -> Any:
    """The data of a log message, shortened to `MAX_LOG_BYTES`."""
    text = codec.dumps(data)
    return data if len(text) <= MAX_LOG_BYTES else text[:MAX_LOG_BYTES].decode(errors="replace")
