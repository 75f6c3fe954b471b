"""Sends one request to a server, and sends it again over the next connection if the first one ends (ADR 8)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

from sidecar.errors import ConnectionLost
from sidecar.protocol.catalog import Catalog
from sidecar.protocol.channel import Frame
from sidecar.upstream.connection import Connection


class ReconnectingServer(Protocol):
    """A server whose connection is replaced whenever it ends. `Upstream` implements this."""

    connection: Connection | None
    catalog: Catalog | None

    async def reconnected(self, timeout: float, lost: Connection | None = None) -> Connection:
        """Wait at most `timeout` seconds for a connection other than `lost`. Raises ServerUnavailable."""


async def request_with_retry(
    upstream: ReconnectingServer,
    method: str,
    params: dict[str, Any],
    timeout: float,
    options: Mapping[str, Any],
    *,
    reconnect_timeout: float,
    already_sent: bool = False,
) -> Frame:
    """Send a request over the current connection, or over the next one if there is none or it has ended.

    If the connection ends after the request was sent, the server may have carried the request out. It is then sent
    once more, if it is `repeatable` and the caller has not sent it before (`already_sent`).

    `timeout` is in seconds, of which at most `reconnect_timeout` are spent on waiting for a connection. `options` are
    keyword arguments for `Connection.request`. Returns the response frame.

    Raises:
        SidecarError: see `Upstream.request`.
    """
    clock = asyncio.get_running_loop().time
    began = clock()
    left, lost = timeout, None
    while True:
        connection = upstream.connection
        if connection is None or connection is lost:
            connection = await upstream.reconnected(began + min(timeout, reconnect_timeout) - clock(), lost)
            left = timeout - (clock() - began)
        try:
            return await connection.request(method, params, timeout=left, **options)
        except ConnectionLost as error:
            if error.sent and (already_sent or not repeatable(upstream, method, params)):
                raise
            already_sent = already_sent or error.sent
            lost = connection


def repeatable(upstream: ReconnectingServer, method: str, params: dict[str, Any]) -> bool:
    """Whether a server may carry out a request twice without harm (`Catalog.repeatable`)."""
    return upstream.catalog is not None and upstream.catalog.repeatable(method, params)
