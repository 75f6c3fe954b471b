"""What the client matrix is made of: its table, and the port that sees which era a client speaks."""

from __future__ import annotations

import asyncio

import pytest

from tests.matrix.clients import CLIENTS
from tests.matrix.document import PART, with_results
from tests.matrix.table import Cells
from tests.matrix.wire import tapped
from tests.support.peers import Era

pytestmark = pytest.mark.outside

SMOLAGENTS, LANGCHAIN = CLIENTS[:2]


def test_the_table_tells_what_passed() -> None:
    """A step that did not pass is a no, as is a token with which one did not; what a client has not is a dash."""
    cells = Cells()
    assert not cells.tried
    cells.begin(SMOLAGENTS, "sse")
    for step in SMOLAGENTS.steps:
        cells.passed(SMOLAGENTS, "sse", "token", step)
    cells.begin(LANGCHAIN, "http")
    for step in LANGCHAIN.steps:
        cells.passed(LANGCHAIN, "http", "open", step)
    cells.passed(LANGCHAIN, "http", "token", "connect")
    assert list(cells.lines())[2:] == [
        "| smolagents | SSE | legacy | **no** | **no** | **no** | - | - | yes |",
        "| LangChain | Streamable HTTP | legacy | yes | yes | yes | yes | yes | **no** |",
    ]
    assert cells.tried
    assert not cells.complete


def test_results_are_put_where_they_belong() -> None:
    """Only what lies between the marks changes."""
    text = "before\n<!-- results -->\nold\n<!-- end -->\nbetween\n<!-- versions -->\nkept\n<!-- end -->\n"
    new = with_results(text, ["| a |", "|---|"])
    assert [match[1] for match in PART.finditer(new)] == ["results", "versions"]
    assert "old" not in new
    assert new.endswith("\n\n| a |\n|---|\n<!-- end -->\nbetween\n<!-- versions -->\nkept\n<!-- end -->\n")


@pytest.mark.parametrize(
    ("methods", "era"),
    [(["server/discover", "tools/list"], "modern"), (["server/discover", "initialize"], "legacy"), ([], None)],
)
async def test_the_era_is_that_of_the_handshake(methods: list[str], era: Era | None) -> None:
    """A client that falls back is legacy, whichever connections it used; every byte arrives, both ways."""
    said: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said.append(await reader.readuntil(b"}"))
        writer.write(b"heard")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        async with tapped(server.sockets[0].getsockname()[1]) as (port, tap):
            for method in methods:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(f'{{"method":"{method}"}}'.encode())
                assert await reader.read() == b"heard"
                writer.close()
                await writer.wait_closed()
        assert said == [f'{{"method":"{method}"}}'.encode() for method in methods]
        if era:
            assert tap.era == era
        else:
            with pytest.raises(AssertionError, match="said nothing"):
                assert tap.era
