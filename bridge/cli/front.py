"""Whether the front, and the YAMCP-UI behind it, answer over HTTP."""

from __future__ import annotations

import asyncio
import http.client
from typing import Literal

from pydantic import ConfigDict

from bridge.cli.errors import FrontAway, YamcpUiAway
from bridge.errors import ErrorBody
from bridge.models import Model
from bridge.settings import Settings

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
    where = f"{settings.host}:{settings.port}"
    try:
        status, text = await _get(settings.host, settings.port, "/healthz", timeout)
        return Health.model_validate_json(text)
    except (OSError, http.client.HTTPException) as error:
        raise FrontAway(f"The front does not answer at {where}: {_why(error, timeout)}.") from None
    except ValueError:
        raise FrontAway(f"What answers at {where} is not the front (status {status}).") from None


async def check_yamcp_ui_answers(settings: Settings, timeout: float) -> None:
    """See that YAMCP-UI serves its page. Raises YamcpUiAway."""
    where = f"127.0.0.1:{settings.yamcp_ui_port}"
    try:
        status, _ = await _get("127.0.0.1", settings.yamcp_ui_port, "/", timeout)
    except (OSError, http.client.HTTPException) as error:
        raise YamcpUiAway(f"YAMCP-UI does not answer at {where}: {_why(error, timeout)}.") from None
    if status != 200:
        raise YamcpUiAway(f"YAMCP-UI answers with status {status} at {where}.")


async def _get(host: str, port: int, path: str, timeout: float) -> tuple[int, bytes]:
    async with asyncio.timeout(timeout):  # the thread's own timeout is for each read
        return await asyncio.to_thread(_read, host.strip("[]"), port, path, timeout)


def _read(host: str, port: int, path: str, timeout: float) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(host, port, timeout=timeout)  # which knows of no proxy
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
