"""The channel over the pipes of a real process."""

import asyncio
import os
import sys
import time
from contextlib import asynccontextmanager

import pytest

from bridge.models import StdioLaunch
from sidecar.channels.lines import Tail
from sidecar.channels.stdio import open_stdio
from sidecar.errors import ConnectionLost, OutputTooLarge, ServerExited
from sidecar.spawner.client import Spawner
from tests.integration.spawner.conftest import Token, open_fds, until

ECHO = "import sys\nfor line in sys.stdin.buffer: sys.stdout.buffer.write(line); sys.stdout.buffer.flush()"


class Peer:
    """A channel to a Python program, with what it received and logged."""

    def __init__(self) -> None:
        self.frames: asyncio.Queue = asyncio.Queue()
        self.logged: list[str] = []


@asynccontextmanager
async def program(spawner: Spawner, code: str, *args: str, **options: object):
    """A channel to a program, and its peer."""
    peer = Peer()
    launch = StdioLaunch(command=sys.executable, args=("-S", "-u", "-c", code, *args))
    options = {"redact": str, "grace": 0.2, **options}
    async with open_stdio(
        spawner, launch, on_frame=peer.frames.put_nowait, log=peer.logged.append, **options
    ) as channel:
        yield channel, peer


def frame(number: int, size: int = 0) -> dict:
    return {"jsonrpc": "2.0", "id": number, "result": "x" * size}


async def test_in_order(spawner: Spawner) -> None:
    """Frames arrive in the order in which they were sent, small and large ones."""
    sent = [frame(n, size) for n, size in enumerate([0, 10, 200_000, 1, 3_000_000, 5] * 3)]
    async with program(spawner, ECHO) as (channel, peer):
        assert channel.transport == "stdio"
        await asyncio.gather(*(channel.send(one) for one in sent))
        assert [await peer.frames.get() for _ in sent] == sent


async def test_garbage(spawner: Spawner) -> None:
    """Lines that are no MCP messages are skipped and counted, the first are logged masked; batches are taken apart."""
    code = r"""
import sys
out = sys.stdout.buffer
out.write(b'Starting with s3cret...\r\n\n  \n{"level":"info"}\n[]\n17\n"x"\n\xff\xfe\n{"jsonrpc":"2.0"\n')
out.write(b'{"a":' * 500 + b'\n')
out.write(b'{"jsonrpc":"2.0","id":1}\r\n[{"jsonrpc":"2.0","id":2},{"jsonrpc":"2.0","id":3}]\n')
out.write(b'{"jsonrpc":"2.0","id":4,"result":NaN}\n{"jsonrpc":"2.0","id":5}')
out.flush()
"""
    async with program(spawner, code, redact=lambda text: text.replace("s3cret", "***")) as (channel, peer):
        assert (await channel.wait_closed()).message == "It exited with code 0."
        assert channel.skipped == 8
        assert len(peer.logged) == 5
        assert peer.logged[0] == "a line on stdout is no MCP message, skipped: 'Starting with ***...\\r'"
        assert peer.logged[4].endswith("further ones are only counted")
        assert [peer.frames.get_nowait()["id"] for _ in range(5)] == [1, 2, 3, 4, 5]


async def test_stderr(spawner: Spawner) -> None:
    """The last 50 lines of stderr are kept, masked and cut; an unfinished one counts."""
    code = "import sys\nfor n in range(100): print(n, 's3cret' * 200, file=sys.stderr)\nsys.stderr.write('last words')"
    async with program(spawner, code, redact=lambda text: text.replace("s3cret", "***")) as (channel, _):
        await channel.wait_closed()
        lines = channel.stderr()
        assert len(lines) == 50
        assert lines[0].startswith("51 ***")
        assert lines[-1] == "last words"
        assert {len(line) for line in lines[:-1]} == {500}
        assert "s3c" not in "".join(lines)


async def test_a_flood_on_stderr(spawner: Spawner) -> None:
    """10 MB in 200,000 lines during one call: few are masked, the last are known, and another server's calls go on."""
    flood = r"""
import sys
sys.stdin.readline()
for n in range(200): sys.stderr.buffer.write(b"".join(b"%06d %s\n" % (n * 1000 + k, b"x" * 43) for k in range(1000)))
sys.stderr.flush()
sys.stdout.write('{"jsonrpc":"2.0","id":0}\n'); sys.stdout.flush()
sys.stdin.read()
"""
    masked: list[str] = []
    told: list[str] = []

    def mask(text: str) -> str:
        masked.append(text)
        return text

    began = time.monotonic()
    async with (
        program(spawner, flood, redact=mask, on_stderr=told.append) as (noisy, peer),
        program(spawner, ECHO) as (
            other,
            quiet,
        ),
    ):
        await noisy.send(frame(0))
        answered = 0
        while peer.frames.empty():
            await other.send(frame(answered))
            assert await quiet.frames.get() == frame(answered)
            answered += 1
        assert len(masked) <= (Tail.RATE + 1) * (time.monotonic() - began + 1)
        await until(lambda: noisy.stderr()[-1].startswith("199999 "))
        assert len(noisy.stderr()) == 50
        assert answered > 20
    seconds = time.monotonic() - began
    assert len(told) <= (Tail.RATE + 1) * (seconds + 1) + 1
    assert any(line.endswith("more lines are not shown)") for line in told)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import sys; sys.exit(7)", "It exited with code 7."),
        ("import os; os.kill(os.getpid(), 9)", "It was killed by SIGKILL (out of memory?)."),
        ("import os; os.kill(os.getpid(), 15)", "It was killed by SIGTERM."),
        ("import os; os.kill(os.getpid(), 40)", "It was killed by signal 40."),
    ],
)
async def test_exit(spawner: Spawner, code: str, message: str) -> None:
    """The end of a process is told with its code or signal; what it wrote before arrives; sending then fails."""
    hello = 'import sys; sys.stdout.write(\'{"jsonrpc":"2.0"}\\n\'); sys.stdout.flush();'
    async with program(spawner, hello + code) as (channel, peer):
        reason = await channel.wait_closed()
        assert isinstance(reason, ServerExited)
        assert reason.message == message
        assert peer.frames.qsize() == 1
        with pytest.raises(ConnectionLost, match=r"It (exited|was killed)"):
            await channel.send(frame(1))


@pytest.mark.parametrize(("fd", "name"), [(0, "input"), (1, "output")])
async def test_closes_pipe(spawner: Spawner, fd: int, name: str) -> None:
    """A server that closes its input or output but goes on is lost, and is told so."""
    code = f"import os, time; os.close({fd}); time.sleep(600)"
    async with program(spawner, code) as (channel, _):
        reason = await channel.wait_closed()
        assert isinstance(reason, ConnectionLost)
        assert reason.message == f"The server closed its {name}."


async def test_endless_line(spawner: Spawner, token: Token) -> None:
    """A line that does not end ends the channel, and does not fill the memory."""
    code = "import sys\nwhile True: sys.stdout.write('x' * 100000)"
    async with program(spawner, code, token.text, line_limit=1 << 20) as (channel, _):
        reason = await channel.wait_closed()
        assert isinstance(reason, OutputTooLarge)
        assert reason.message == "It wrote a line of more than 4 MiB to its stdout."
    assert token.pids() == []


async def test_too_large(spawner: Spawner) -> None:
    """An answer beyond the limit is an error in its place that says so; the process and other answers stay."""
    code = r"""
import sys
for i in 1, 2:
    print('{"jsonrpc":"2.0","id":%d,"result":"%s"}' % (i, 'x' * (i * 1000000)), flush=True)
print('{"result":"%s","jsonrpc":"2.0","id":3}' % ('x' * 2000000), flush=True)
print('{"jsonrpc":"2.0","id":4,"result":{}}', flush=True)
input()
"""
    async with program(spawner, code, line_limit=1 << 20) as (channel, peer):
        found = [await peer.frames.get() for _ in range(4)]
        assert [each["id"] for each in found] == [1, 2, 3, 4]
        assert [each["error"]["data"]["code"] for each in found[1:3]] == ["SERVER_OUTPUT_TOO_LARGE"] * 2
        assert "1.907 MiB; the hub reads at most 1 MiB" in found[1]["error"]["message"]
        assert channel.skipped == 2


async def test_a_flood_is_told_of(spawner: Spawner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who watches the channel hears that the server is slowed down, and sees when that is over."""
    monkeypatch.setattr("sidecar.channels.pace.SLOWED_SECONDS", 0.05)
    code = "import select, sys\nwhile not select.select([0], [], [], 0)[0]: print('noise' * 100)\nsys.stdin.read()"
    told: asyncio.Queue[str] = asyncio.Queue()
    async with program(spawner, code) as (channel, _):
        assert not channel.slowed
        channel.on_slowed = told.put_nowait
        assert await told.get() == "it sends too much output that is not an MCP message, and the hub slows it down"
        assert channel.slowed
        await channel.send(frame(1))  # it stops
        await until(lambda: not channel.slowed)


async def test_not_reading(spawner: Spawner) -> None:
    """A server that does not read holds up its own senders only, in bounded memory; they go on in order or fail."""
    code = f"import sys\nsys.stderr.write('x'); sys.stdin.buffer.read(1); sys.stdout.write('\\n')\n{ECHO}"
    stuck = "import time; time.sleep(600)"
    async with program(spawner, stuck) as (channel, _), program(spawner, ECHO) as (healthy, peer):
        senders = [asyncio.create_task(channel.send(frame(n, 200_000))) for n in range(20)]
        await healthy.send(frame(1))
        assert (await peer.frames.get())["id"] == 1
        done = [sender for sender in senders if sender.done()]
        assert 0 < len(done) < 5
        senders[10].cancel()
        os.kill(channel.pids[0], 9)
        await channel.wait_closed()
        results = await asyncio.gather(*senders, return_exceptions=True)
        assert isinstance(results[10], asyncio.CancelledError)
        assert all(isinstance(result, ConnectionLost) for result in results[11:])
    assert code


async def test_slow_reader(spawner: Spawner) -> None:
    """Senders that had to wait write in their turn, even when one of them is cancelled meanwhile."""
    code = f"import time; time.sleep(0.1)\n{ECHO}"
    async with program(spawner, code) as (channel, peer):
        senders = [asyncio.create_task(channel.send(frame(n, 300_000))) for n in range(8)]
        await asyncio.sleep(0)
        assert not senders[5].done()
        senders[5].cancel()
        await asyncio.wait(senders)
        assert [(await peer.frames.get())["id"] for _ in range(7)] == [0, 1, 2, 3, 4, 6, 7]


async def test_nothing_after_close(spawner: Spawner) -> None:
    """What a server says while it is being closed is read, so that it can end, but not delivered."""
    code = 'import sys\nsys.stdin.read()\nfor _ in range(5000): print(\'{"jsonrpc":"2.0","id":"%s"}\' % (\'x\' * 100))'
    async with program(spawner, code, grace=20) as (channel, peer):
        pass
    assert (await channel.wait_closed()).message == "The hub closed it."
    assert peer.frames.qsize() == 0


async def test_cancelled_while_opening(spawner: Spawner, token: Token) -> None:
    """Cancelled at any moment of its opening, a channel leaves no process and no descriptor."""
    async with program(spawner, ECHO):
        before = open_fds()
        for turns in range(12):

            async def opening() -> None:
                async with program(spawner, "input()", token.text):
                    await asyncio.sleep(600)

            task = asyncio.create_task(opening())
            for _ in range(turns):
                await asyncio.sleep(0.001 if turns % 2 else 0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await until(lambda: not token.pids() and open_fds() <= before)
