"""Questions of replicas: who gets an answer, how large it is, and what is said of a replica that gives none."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from bridge.models import Logs
from bridge.models.replicas import ReplicasState
from bridge.settings.replicas import addresses
from sidecar.replicas import questions
from sidecar.replicas.errors import ReplicaUnknown
from sidecar.replicas.questions import PATH, Questions
from sidecar.replicas.signature import HEADER, Signed, Signer

KEY = b"k" * 32
QUESTION = Logs(limit=2).model_dump_json(exclude_none=True).encode()
NOTED = [{"time": f"2026-01-01T00:00:0{number}Z", "message": f"m{number}"} for number in range(3)]


def find(asked: Logs) -> Iterable[dict[str, Any]]:
    """What this replica has logged."""
    return NOTED[-asked.limit :]


async def nobody() -> ReplicasState:
    """Redis knows of no replica."""
    return ReplicasState()


async def app(_: Scope, __: Receive, send: Send) -> None:
    """The other endpoints."""
    await send({"type": "http.response.start", "status": 418, "headers": []})


def layer(port: int = 1) -> Questions:
    """That of r0."""
    listed = f"r0=http://127.0.0.1:9,r1=http://127.0.0.1:{port}"
    return Questions(app, KEY, addresses("r0", listed), find, nobody)


async def ask(asked: Questions, body: bytes, signature: bytes | None, path: str = PATH) -> tuple[int, Any]:
    """Status and answer."""
    headers = [] if signature is None else [(HEADER, signature)]
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body}

    async def send(message: Message) -> None:
        sent.append(message)

    await asked({"type": "http", "method": "POST", "path": path, "headers": headers}, receive, send)
    content = b"".join(each.get("body", b"") for each in sent)
    return sent[0]["status"], json.loads(content) if content else None


def signed(body: bytes = QUESTION, key: bytes = KEY, to: str = "r0") -> bytes:
    """The signature of r1."""
    return Signer(key, "r1").sign(to, "", Signed("POST", PATH.encode(), body, b""))


async def test_a_replica_gets_the_newest_records() -> None:
    """As many as it asks for, once for each signature; other requests go on."""
    asked, signature = layer(), signed()
    assert await ask(asked, QUESTION, signature) == (200, {"records": NOTED[1:]})
    status, again = await ask(asked, QUESTION, signature)
    assert (status, again["error"]["data"]["code"]) == (403, "REPLICA_SIGNATURE_INVALID")
    assert await ask(asked, QUESTION, None, "/mcp/w") == (418, None)


@pytest.mark.parametrize(
    ("body", "signature", "status"),
    [
        (QUESTION, None, 403),
        (QUESTION, b"nonsense", 403),
        (QUESTION, signed(key=b"x" * 32), 403),
        (QUESTION, signed(to="r2"), 508),
        (b'{"limit":5000}', signed(), 403),
        (b'{"limit":0}', signed(b'{"limit":0}'), 403),
        (b" " * 20_000, signed(b" " * 20_000), 413),
    ],
)
async def test_nobody_else_gets_an_answer(body: bytes, signature: bytes | None, status: int) -> None:
    """No signature, one of another key, for another replica, of another question; and what is no question."""
    got, answer = await ask(layer(), body, signature)
    assert got == status
    assert "records" not in answer


async def test_an_answer_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest records that fit."""
    monkeypatch.setattr(questions, "MAX_ANSWER", 60)
    assert await ask(layer(), QUESTION, signed()) == (200, {"records": NOTED[2:]})


@pytest.mark.outside
async def test_a_replica_that_cannot_be_reached_is_named() -> None:
    """The records of the others come all the same."""
    found = await layer().logs(Logs(limit=2, replica="all"))
    assert [(each["message"], each["logged_by"]) for each in found.records] == [("m1", "r0"), ("m2", "r0")]
    assert found.replicas == ("r0", "r1")
    [silent] = found.unanswered
    assert (silent.name, silent.error.code) == ("r1", "REPLICA_SILENT")
    assert silent.error.message == "The replica 'r1' cannot be connected to."
    with pytest.raises(ReplicaUnknown, match="HUB_REPLICAS has no replica 'r7'"):
        await layer().logs(Logs(replica="r7"))


@pytest.mark.outside
async def test_a_replica_that_says_nothing_in_time_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has accepted the connection, and does not answer."""
    monkeypatch.setattr(questions, "SECONDS", 0.2)
    held = asyncio.Event()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await held.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        found = await layer(server.sockets[0].getsockname()[1]).logs(Logs(replica="r1"))
    finally:
        held.set()
        server.close()
    assert found.records == ()
    assert [each.error.message for each in found.unanswered] == ["The replica 'r1' has not answered within 0.2 s."]
