"""Whether the front, and the YAMCP-UI behind it, answer over HTTP."""

from __future__ import annotations

import asyncio
import http.client
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict

from bridge.errors import ErrorBody
from bridge.models import Model
from bridge.settings import Settings
from hubctl.errors import FrontAway, YamcpUiAway

LONGEST = 1 << 20
"""Bytes of an answer that are read."""


class Health(Model):
    """What /healthz answers."""

    model_config = ConfigDict(extra="allow")

    status: Literal["ok", "failing"]
    reasons: tuple[ErrorBody, ...] = ()
    """What is missing, where it is failing."""


async def health(settings: Settings, timeout: float) -> Health:
    """How the front finds the hub to be; `timeout` in seconds.

    Raises:
        FrontAway: no answer, or one that is not the front's.
    """
    host = settings.reached_at
    where = f"{host}:{settings.port}"
    try:
        status, text = await _get(
            lambda: _tcp(host, settings.port, timeout, bool(settings.tls_cert)), "/healthz", timeout
        )
        return Health.model_validate_json(text)
    except (OSError, http.client.HTTPException) as error:
        raise FrontAway(f"The front does not answer at {where}: {_why(error, timeout)}.") from None
    except ValueError:
        if FrontAway.code.encode() in text:  # the acceptor, which has waited for it
            raise FrontAway(f"The front does not answer behind {where}.") from None
        raise FrontAway(f"What answers at {where} is not the front (status {status}).") from None


async def check_yamcp_ui_answers(settings: Settings, timeout: float) -> None:
    """See that YAMCP-UI serves its page. Raises YamcpUiAway."""
    path = settings.yamcp_ui_socket
    try:
        status, _ = await _get(lambda: _Unix(path, timeout), "/", timeout)
    except (OSError, http.client.HTTPException) as error:
        raise YamcpUiAway(f"YAMCP-UI does not answer at {path}: {_why(error, timeout)}.") from None
    if status != 200:
        raise YamcpUiAway(f"YAMCP-UI answers with status {status} at {path}.")


class _Unix(http.client.HTTPConnection):
    """A connection over a Unix socket."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = str(path)

    def connect(self) -> None:
        """As for any connection, but to the path."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _tcp(host: str, port: int, timeout: float, tls: bool = False) -> http.client.HTTPConnection:
    """A connection, which knows of no proxy. No secret goes over it: whose certificate it is does not matter."""
    if not tls:
        return http.client.HTTPConnection(host, port, timeout=timeout)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(host, port, timeout=timeout, context=context)


async def _get(connect: Callable[[], http.client.HTTPConnection], path: str, timeout: float) -> tuple[int, bytes]:
    async with asyncio.timeout(timeout):  # the thread's own timeout is for each read
        return await asyncio.to_thread(_read, connect, path)


def _read(connect: Callable[[], http.client.HTTPConnection], path: str) -> tuple[int, bytes]:
    connection = connect()
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        answer = connection.getresponse()
        return answer.status, answer.read(LONGEST)
    finally:
        connection.close()


def _why(error: Exception, timeout: float) -> str:
    if isinstance(error, TimeoutError):
        return f"nothing within {timeout:g} s"
    return error.strerror or type(error).__name__ if isinstance(error, OSError) else "not HTTP"
