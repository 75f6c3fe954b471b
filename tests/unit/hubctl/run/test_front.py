"""Whether front and YAMCP-UI answer, however they are reached."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from acceptor.refusals import FRONT_AWAY, response
from hubctl.errors import FrontAway, YamcpUiAway
from hubctl.run import front
from tests.support.streams import listening
from tests.support.tls import certificate
from tests.unit.hubctl.canned import settings

pytestmark = pytest.mark.outside

HEALTHY = b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"status":"ok"}'
REFUSING = b"HTTP/1.1 500 Oh\r\nConnection: close\r\n\r\n"


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, with_what: bytes = HEALTHY) -> None:
    """What any server here does, whatever it is sent."""
    await reader.read(4096)
    writer.write(with_what)


async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Or this."""
    await answer(reader, writer, REFUSING)


async def test_a_front_with_a_certificate_is_asked_over_https(tmp_path: Path) -> None:
    """Whatever name is in it, at loopback when it listens on all addresses; plain HTTP is no answer."""
    cert, key = await asyncio.to_thread(certificate, tmp_path, host="hub.example")
    own = settings(tmp_path).model_copy(update={"host": "0.0.0.0", "tls_cert": cert, "tls_key": key})
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    async with listening(answer, own.port, ssl=context):
        assert (await front.health(own, 10)).status == "ok"
    async with listening(answer, own.port):
        with pytest.raises(FrontAway, match=rf"does not answer at 127\.0\.0\.1:{own.port}: "):
            await front.health(own, 10)


async def test_an_acceptor_that_answers_for_it_is_not_taken_for_another_program(tmp_path: Path) -> None:
    """It says which process is away."""
    own = settings(tmp_path)

    async def away(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answer(reader, writer, response(FRONT_AWAY, "api"))

    async with listening(away, own.port):
        with pytest.raises(FrontAway, match=rf"^The front does not answer behind 127\.0\.0\.1:{own.port}\.$"):
            await front.health(own, 10)


async def test_yamcp_ui_is_asked_over_its_socket_where_the_hub_is_protected(tmp_path: Path) -> None:
    """One that is away, or answers with an error, is told with the path."""
    own = settings(tmp_path).model_copy(update={"host": "0.0.0.0"})
    own.runtime.mkdir(parents=True)
    where = own.yamcp_ui_socket
    with pytest.raises(YamcpUiAway, match=rf"^YAMCP-UI does not answer at {where}: No such file or directory\.$"):
        await front.check_yamcp_ui_answers(own, 10)
    async with listening(answer, where):
        await front.check_yamcp_ui_answers(own, 10)
    where.unlink(missing_ok=True)
    async with listening(refuse, where):
        with pytest.raises(YamcpUiAway, match=rf"^YAMCP-UI answers with status 500 at {where}\.$"):
            await front.check_yamcp_ui_answers(own, 10)
