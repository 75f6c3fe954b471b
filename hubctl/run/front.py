"""Ask the front, and the YAMCP-UI behind it, for their health over HTTP."""

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

MAX_ANSWER_BYTES = 1 << 20
"""Maximum number of bytes that are read of an answer."""


class Health(Model):
    """The answer of /healthz."""

    model_config = ConfigDict(extra="allow")

    status: Literal["ok", "failing"]
    reasons: tuple[ErrorBody, ...] = ()
    """What is wrong, while the hub is failing."""


async def health(settings: Settings, timeout: float) -> Health:
    """Request the front's /healthz; `timeout` in seconds.

    Raises:
        FrontAway: no answer, or not one of the front.
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
    """Check that YAMCP-UI serves its page. Raises YamcpUiAway."""
    path = settings.yamcp_ui_socket
    try:
        status, _ = await _get(lambda: _Unix(path, timeout), "/", timeout)
    except (OSError, http.client.HTTPException) as error:
        raise YamcpUiAway(f"YAMCP-UI does not answer at {path}: {_why(error, timeout)}.") from None
    if status != 200:
        raise YamcpUiAway(f"YAMCP-UI answers with status {status} at {path}.")


class _Unix(http.client.HTTPConnection):
    """An HTTP connection over a Unix socket."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = str(path)

    def connect(self) -> None:
        """Connect to the socket's path."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _tcp(host: str, port: int, timeout: float, tls: bool = False) -> http.client.HTTPConnection:
    """Return a connection without a proxy. It carries no secret, so the certificate is not verified."""
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
        return answer.status, answer.read(MAX_ANSWER_BYTES)
    finally:
        connection.close()


def _why(error: Exception, timeout: float) -> str:
    if isinstance(error, TimeoutError):
        return f"nothing within {timeout:g} s"
    return error.strerror or type(error).__name__ if isinstance(error, OSError) else "not HTTP"
