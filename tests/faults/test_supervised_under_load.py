"""`hubctl run` while clients call at the public port and each of its processes in turn is killed or stopped (issue 14).

A supervised process that is killed or hangs is back in another process; callers notice only what served their call.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator

import psutil
import pytest
import pytest_asyncio

from tests.faults.public_port import Caller, all_answered, assert_unharmed, calling
from tests.support.run import Run, prepared
from tests.support.yamcp import ROOT, module, write_in_place

pytestmark = pytest.mark.asyncio(loop_scope="module")

BYSTANDERS = ("acceptor", "adapter", "front", "recorder", "yamcp-ui")
"""Those that no call needs that is under way."""
PROGRAMS = (*BYSTANDERS, "sidecar", "watch")
STOPPED_SECONDS = 6.0
"""How long supervisord is stopped: longer than HUB_WATCHDOG."""
SPARE_DESCRIPTORS = 6
"""Idle connections among the hub's processes, whose number varies."""
RECORDER_DESCRIPTORS = 12
"""Fewer than the recorder has open once it serves: 21; before it has opened anything it has 5."""
BACK_WITHIN = 30.0
"""Seconds on a busy machine; a quiet one takes less than 3 after a kill, and HUB_WATCHDOG more after a stop."""


class Supervised(Run):
    """A hub under supervisord, its public port, and its processes by name."""

    before: tuple[Counter[str], dict[str, int]]

    def public_sse(self, slug: str) -> str:
        """The HTTP+SSE endpoint of a workspace at the public port."""
        return f"{self.public_http(slug)}/sse"

    def public_http(self, slug: str) -> str:
        """The Streamable HTTP endpoint of a workspace at the public port."""
        return f"http://127.0.0.1:{self.port}/mcp/{slug}"

    async def named(self) -> dict[str, int]:
        """The process of each program and of the spawner; a program that does not run has none."""
        found = await self.pids()
        if "sidecar" in found:
            with contextlib.suppress(psutil.Error):
                for child in psutil.Process(found["sidecar"]).children():
                    if "spawner" in " ".join(child.cmdline()):
                        found["spawner"] = child.pid
        return found

    async def another(self, name: str, pid: int) -> float:
        """Wait until a program runs in another process than `pid`; returns when that was seen."""
        deadline = time.monotonic() + BACK_WITHIN
        while (await self.named()).get(name, pid) == pid:
            assert time.monotonic() < deadline, f"{name} is still {pid}:{self.logs()}"
            await asyncio.sleep(0.05)
        return time.monotonic()

    async def held(self) -> tuple[Counter[str], dict[str, int]]:
        """How many processes there are of each command line, and the descriptors of each program."""
        lines = Counter(re.sub(r"\d+", "N", " ".join(process.cmdline())) for process in self.processes())
        named = await self.named()
        return lines, {name: psutil.Process(pid).num_fds() for name, pid in named.items()}

    async def started(self) -> tuple[Counter[str], dict[str, int]]:
        """What it holds once that stays the same; the recorder, of the lowest priority, opens its database last."""
        async with asyncio.timeout(100):
            found, same = await self.held(), 0
            while same < 4 or found[1]["recorder"] < RECORDER_DESCRIPTORS:
                await asyncio.sleep(0.5)
                before, found = found, await self.held()
                same = same + 1 if found == before else 0
        return found

    async def all_as_before(self) -> None:
        """Wait until the process table and the descriptors are as before the first fault; at the timeout fail."""
        lines, descriptors = self.before
        deadline = time.monotonic() + BACK_WITHIN
        while time.monotonic() < deadline:
            with contextlib.suppress(psutil.Error):
                found = await self.held()
                most = {name: count + SPARE_DESCRIPTORS for name, count in descriptors.items()}
                if found[0] == lines and all(found[1].get(name, 10**6) <= most[name] for name in most):
                    return
            await asyncio.sleep(0.05)
        assert await self.held() == self.before


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub() -> AsyncIterator[Supervised]:
    """One hub for all faults, with YAMCP-UI's stand-in and the recorder."""
    variables = {"HUB_WATCHDOG": "5", "HUB_YAMCP_UI_DIR": str(ROOT / "tests" / "standin"), "HUB_HISTORY": "on"}
    async with prepared(**variables) as run:
        made = Supervised(run.root, variables)
        (made.root / "yamcp").mkdir()
        write_in_place(made.root / "yamcp" / "workspaces.json", {"w": ["e"]})
        write_in_place(made.root / "yamcp" / "providers.json", {"e": module("e", "bench.echo_server")})
        try:
            await made.start()
            await made.until("w: ready")
            await made.running(*PROGRAMS)
            async with calling(made):  # what is opened for the first call stays open
                pass
            made.before = await made.started()
            yield made
        finally:
            for process in made.processes():
                with contextlib.suppress(psutil.Error):
                    process.kill()


async def strike(hub: Supervised, sig: signal.Signals, names: tuple[str, ...], callers: list[Caller]) -> None:
    """Send a signal to processes at once, and wait until each is back and all callers have answers again."""
    before = await hub.named()
    began = time.monotonic()
    for name in names:
        os.kill(before[name], sig)
    back = await asyncio.gather(*(hub.another(name, before[name]) for name in names))
    await all_answered(callers)
    times = ", ".join(f"{name} {seen - began:.1f} s" for name, seen in zip(names, back, strict=True))
    print(f"{sig.name}: another process: {times}; all callers served after {time.monotonic() - began:.1f} s")
    after = await hub.named()
    gone_with = {"spawner"} if "sidecar" in names else set()
    assert {name for name in before if before[name] != after.get(name)} == {*names} | gone_with


@pytest.mark.parametrize("sig", [signal.SIGSTOP, signal.SIGKILL], ids=lambda sig: sig.name)
async def test_no_caller_notices_the_bystanders(hub: Supervised, sig: signal.Signals) -> None:
    """Acceptor, adapter, front, recorder and YAMCP-UI at once: no call fails, and new clients are served afterwards.

    They are stopped before they are killed: one that was just started has longer until its first heartbeat.
    """
    async with calling(hub) as callers:
        await strike(hub, sig, BYSTANDERS, callers)
        async with calling(hub) as new:
            pass
        assert_unharmed([*callers, *new])
    await hub.running(*PROGRAMS)
    await hub.all_as_before()


@pytest.mark.parametrize("sig", [signal.SIGSTOP, signal.SIGKILL], ids=lambda sig: sig.name)
async def test_the_spawner_takes_its_servers_along(hub: Supervised, sig: signal.Signals) -> None:
    """The calls under way fail with a code; then the servers that were started again answer, in the same sessions."""
    async with calling(hub) as callers:
        await strike(hub, sig, ("spawner",), callers)
        assert [(each.lost, each.away, each.wrong) for each in callers] == [(0, 0, [])] * len(callers)
        codes = Counter(code for each in callers for code in each.codes)
        print(f"calls that failed with the servers of the spawner: {dict(codes)}")
        assert codes.total() <= len(callers), codes
    await hub.all_as_before()


@pytest.mark.parametrize("sig", [signal.SIGSTOP, signal.SIGKILL], ids=lambda sig: sig.name)
async def test_the_sidecar_costs_its_connections(hub: Supervised, sig: signal.Signals) -> None:
    """Callers connect anew, nobody gets a wrong answer, and its servers and its spawner are gone."""
    async with calling(hub) as callers:
        await strike(hub, sig, ("sidecar",), callers)
        assert [each.wrong for each in callers] == [[]] * len(callers)
    await hub.running(*PROGRAMS)
    await hub.all_as_before()


async def test_a_stopped_supervisord_holds_up_nobody(hub: Supervised) -> None:
    """Calls go on, and when it goes on nothing is ended for the silence that it did not hear."""
    before = await hub.named()
    supervisord = psutil.Process(hub.process.pid)
    async with calling(hub) as callers:
        supervisord.suspend()
        try:
            await asyncio.sleep(STOPPED_SECONDS)
            await all_answered(callers)
        finally:
            supervisord.resume()
        for _ in range(3):  # each is answered by a round of its loop, which checks at most once a second
            assert await hub.named() == before
            await asyncio.sleep(1)
        await all_answered(callers)
        assert_unharmed(callers)
    await hub.all_as_before()


async def test_nothing_outlives_a_killed_supervisord(hub: Supervised) -> None:
    """Under calls, too: every process ends. The last test: the hub is gone."""
    async with calling(hub):
        os.kill(hub.process.pid, signal.SIGKILL)
        began = time.monotonic()
        await hub.process.wait()
        left = await hub.left(BACK_WITHIN)
        print(f"nothing left after {time.monotonic() - began:.1f} s")
    assert left == []
