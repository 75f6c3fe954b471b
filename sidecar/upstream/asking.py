"""One request to a server, over the connections that it has one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

from sidecar.errors import ConnectionLost
from sidecar.protocol.catalog import Catalog
from sidecar.protocol.channel import Frame
from sidecar.upstream.connection import Connection


class Reconnecting(Protocol):
    """A server that is connected again whenever its connection ends: an upstream."""

    connection: Connection | None
    catalog: Catalog | None

    async def reconnected(self, patience: float, lost: Connection | None = None) -> Connection:
        """Wait at most `patience` seconds for another connection than `lost`. Raises SidecarError."""


async def ask(
    upstream: Reconnecting,
    method: str,
    params: dict[str, Any],
    timeout: float,
    how: Mapping[str, Any],
    *,
    patience: float,
    repeated: bool = False,
) -> Frame:
    """Ask over the connection there is; if there is none, or it turns out to have ended, over the next one.

    A request that may have been carried out when the connection ended is asked once more if that does no harm, unless
    it was `repeated` before. `how` are further arguments of `Connection.request`. `timeout` in seconds, of which
    `patience` at most are spent on waiting for a connection.

    Raises:
        SidecarError: as `Upstream.request`.
    """
    clock = asyncio.get_running_loop().time
    began = clock()
    left, lost = timeout, None
    while True:
        connection = upstream.connection
        if connection is None or connection is lost:
            connection = await upstream.reconnected(began + min(timeout, patience) - clock(), lost)
            left = timeout - (clock() - began)
        try:
            return await connection.request(method, params, timeout=left, **how)
        except ConnectionLost as error:
            if error.sent and (repeated or not repeatable(upstream, method, params)):
                raise
            repeated = repeated or error.sent
            lost = connection


def repeatable(upstream: Reconnecting, method: str, params: dict[str, Any]) -> bool:
    """Whether a request may be carried out twice without harm."""
    return upstream.catalog is not None and upstream.catalog.repeatable(method, params)
