"""Servers that are kept outlive the sidecar with their memory; nothing else does, nor do they when no other comes."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bridge.errors import HubError
from bridge.models import Call
from hubctl.run.kept_servers import end_kept_servers
from tests.integration.spawner.conftest import Token, eventually, until
from tests.integration.spawner.kept_standin import COUNTER
from tests.integration.spawner.test_death import ROOT, alive
from tests.support.sidecar import Sidecar, running, stdio, workspace

PARENT = "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:], start_new_session=True))"


@pytest.fixture(autouse=True)
def over(runtime: Path, token: Token) -> Iterator[None]:
    """What is kept at a test's end is ended: the test's process would start no other sidecar."""
    yield
    end_kept_servers(runtime)
    assert token.gone()


class Standin:
    """A stand-in for the sidecar, and what it said; with `below`, its parent stands for supervisord.

    One that `waits` has not said anything else yet: see `listen`.
    """

    def __init__(self, process: subprocess.Popen[str], below: bool) -> None:
        self.process = process
        self.said: dict = {}
        self.waits = self._line()
        if not self.waits:
            self.listen()
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        self.pid = int(children.read_text()) if below else process.pid

    def _line(self) -> Any:
        assert self.process.stdout
        return json.loads(self.process.stdout.readline())

    def listen(self) -> dict:
        """Have it say what its server knows."""
        self.said = self._line()
        return self.said

    def kill(self, number: int = signal.SIGKILL) -> None:
        """End it."""
        os.kill(self.pid, number)
        self.process.wait()


@contextmanager
def standin(runtime: Path, token: Token, *changed: str, below: bool = False, slot: int = 0) -> Iterator[Standin]:
    """A stand-in whose server is running, or is awaited. With `below`, it has a parent of its own, else the test is
    that."""
    words = [sys.executable, "-m", "tests.integration.spawner.kept_standin", str(runtime), token.text, *changed]
    command = [sys.executable, "-S", "-c", PARENT, *words] if below else words
    env = os.environ | {"SLOT": str(slot)}
    with subprocess.Popen(
        command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            yield Standin(process, below)
        finally:
            process.kill()


def test_goes_on_with_the_next_sidecar(runtime: Path, token: Token) -> None:
    """The same process with its memory, without a second handshake; what was under way is cancelled."""
    with standin(runtime, token) as first:
        first.kill(signal.SIGTERM)
    with standin(runtime, token) as second:
        assert second.said == {**first.said, "count": 2, "held": 2, "cancelled": 1, "initialized": 1}
        second.kill(signal.SIGKILL)
    with standin(runtime, token) as third:
        assert third.said == {**first.said, "count": 3, "held": 3, "cancelled": 2, "initialized": 1}


def test_another_definition_is_another_server(runtime: Path, token: Token) -> None:
    """The one that was kept is ended before the other starts."""
    with standin(runtime, token) as first:
        first.kill()
    with standin(runtime, token, "changed") as second:
        assert second.said["pid"] != first.said["pid"]
        assert (second.said["count"], second.said["initialized"]) == (1, 1)
        assert not alive(first.said["pid"])


@pytest.mark.parametrize("order", [("parent", "sidecar"), ("sidecar", "parent")], ids="-".join)
def test_nobody_will_come(runtime: Path, token: Token, order: tuple[str, str]) -> None:
    """Without what starts sidecars (supervisord), nothing waits for another: all ends at once."""
    with standin(runtime, token, below=True) as first:
        for victim in order:
            os.kill(first.process.pid if victim == "parent" else first.pid, signal.SIGKILL)
        assert token.gone()
        assert eventually(lambda: not alive(first.said["spawner"]))


def test_the_hub_stops(runtime: Path, token: Token) -> None:
    """`hubctl stop` and Ctrl-C end what is kept for the next sidecar; again, that does nothing."""
    with standin(runtime, token) as first:
        first.kill(signal.SIGTERM)
        assert token.pids() == [first.said["pid"]]
        end_kept_servers(runtime)
        assert token.pids() == []
        assert not (runtime / "spawner.sock").exists()
        end_kept_servers(runtime)


@pytest.mark.parametrize("order", [("sidecar", "spawner"), ("spawner", "sidecar")], ids="-".join)
def test_both_die(runtime: Path, token: Token, order: tuple[str, str]) -> None:
    """What is left without sidecar and spawner is ended before the next spawner starts anything."""
    with standin(runtime, token) as first:
        for victim in order:
            os.kill(first.said["spawner"] if victim == "spawner" else first.pid, signal.SIGKILL)
    with standin(runtime, token) as second:
        assert second.said["pid"] != first.said["pid"]
        assert not alive(first.said["pid"])


def test_the_inherited_spawner_dies(runtime: Path, token: Token) -> None:
    """Its servers end with it, and another spawner starts them again."""
    with standin(runtime, token) as first:
        first.kill()
    with standin(runtime, token) as second:
        assert second.said["pid"] == first.said["pid"]
        os.kill(second.said["spawner"], signal.SIGKILL)
        assert eventually(lambda: not alive(first.said["pid"]))
        assert eventually(lambda: len(token.pids()) == 1)
        assert second.process.poll() is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_the_next_sidecar_waits(runtime: Path, token: Token, number: int) -> None:
    """While two run (ADR 35), the server stays with the first, and goes on at the other one once that has ended."""
    with standin(runtime, token) as first, standin(runtime, token, slot=1) as second:
        assert second.waits
        first.kill(number)
        assert second.listen() == {**first.said, "count": 2, "held": 2, "cancelled": 1, "initialized": 1}
        with standin(runtime, token) as third:
            assert third.waits
            second.kill(number)
            assert third.listen()["pid"] == first.said["pid"]
            assert third.said["count"] == 3


def test_the_waiting_sidecar_dies(runtime: Path, token: Token) -> None:
    """That changes nothing for the first one, nor for the one that comes after that."""
    with standin(runtime, token) as first:
        with standin(runtime, token, slot=1) as second:
            assert second.waits
            second.kill()
        assert token.pids() == [first.said["pid"]]
        first.kill()
        with standin(runtime, token, slot=1) as third:
            assert (third.said["pid"], third.said["count"]) == (first.said["pid"], 2)


def test_the_shared_spawner_dies(runtime: Path, token: Token) -> None:
    """The server ends with it; each sidecar has another spawner, and nothing waits for the other one."""
    with standin(runtime, token) as first, standin(runtime, token, slot=1) as second:
        assert second.waits
        os.kill(first.said["spawner"], signal.SIGKILL)
        said = second.listen()
        assert said["pid"] != first.said["pid"]
        assert (said["count"], said["initialized"]) == (1, 1)
        assert eventually(lambda: not alive(first.said["pid"]))
        assert first.process.poll() is None


def test_another_definition_does_not_wait(runtime: Path, token: Token) -> None:
    """A sidecar whose definition is another one starts its own server; the first one's goes on until that ends."""
    with standin(runtime, token) as first, standin(runtime, token, "changed", slot=1) as second:
        assert not second.waits
        assert second.said["pid"] != first.said["pid"]
        assert sorted(token.pids()) == sorted([first.said["pid"], second.said["pid"]])
        first.kill()
        assert eventually(lambda: token.pids() == [second.said["pid"]])


def test_under_calls(token: Token) -> None:
    """`kill -9` of a real sidecar under calls: the same process goes on counting, and no answer is wrong or double."""
    asyncio.run(_killed_under_calls(token))


async def _killed_under_calls(token: Token) -> None:
    server = stdio("counter", sys.executable, "-S", COUNTER, token.text, keep=True)
    other = stdio("other", sys.executable, "-S", COUNTER, token.text)
    async with running(server, other, workspace("w", server, other)) as hub:
        before, fleeting = await _state(hub, "counter"), await _state(hub, "other")
        answers: list[str] = []
        callers = [asyncio.create_task(_call_on(hub, caller, answers)) for caller in range(4)]
        await until(lambda: len(answers) >= 20)
        await hub.kill("sidecar")
        await hub.start("sidecar")
        await hub.apply()
        goal = len(answers) + 20
        await until(lambda: len(answers) >= goal)
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)
        after = await _state(hub, "counter")
        assert (after["pid"], after["initialized"]) == (before["pid"], 1), hub.log("sidecar")
        assert after["count"] >= len(answers)
        assert max(Counter(answers).values()) == 1
        assert (await _state(hub, "other"))["pid"] != fleeting["pid"]
        assert not alive(fleeting["pid"])
        await hub.stop("sidecar")
        end_kept_servers(hub.settings.runtime)


async def _call_on(hub: Sidecar, caller: int, answers: list[str]) -> None:
    """Call the counter on and on; a call that fails is not repeated."""
    number = 0
    while True:
        number += 1
        nonce = f"{caller}-{number}"
        try:
            found = await hub.actual.request(
                Call(workspace="w", tool="counter_count", arguments={"n": nonce}, timeout=20), timeout=5
            )
        except HubError:
            await asyncio.sleep(0.02)
            continue
        text = found.result["content"][0]["text"]
        assert text.split()[0] == nonce
        answers.append(text.split()[1])


async def _state(hub: Sidecar, key: str) -> dict:
    found = await hub.actual.request(Call(workspace="w", tool=f"{key}_state"), timeout=50)
    return json.loads(found.result["content"][0]["text"])
