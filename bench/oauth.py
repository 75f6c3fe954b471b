"""What an access token costs: calls/s with OAuth and a token of a grant, beside a hub without OAuth and with a key."""

from __future__ import annotations

import secrets
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import psutil

from bench.figure import Figure
from bench.history import WAYS, cpu
from bench.load import drive, open_sessions
from bench.peers.peer import Mode
from bench.session import Session
from bench.stats import median
from bench.ways import MODES, TITLES
from bridge.models import AddKey, SetServer
from tests.support.grants import allowed_client
from tests.support.hub import Hub, running
from tests.support.yamcp import module

CLIENTS = 10
SHARE = 0.97
"""Of the calls/s without OAuth, what has to be left with it."""


@dataclass
class Side:
    """A hub with or without OAuth, and the clients that call it in one mode."""

    hub: Hub
    bearer: str
    sessions: list[Session] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    micros: list[float] = field(default_factory=list)
    """The sidecar's CPU time of each call, by round, in us."""

    async def connect(self, stack: AsyncExitStack, mode: Mode) -> None:
        """Open the sessions of a mode."""
        transport, era = MODES[mode]
        url = self.hub.public_sse("w") if mode == "sse" else self.hub.public_http("w")
        opening = open_sessions(url, CLIENTS, transport=transport, era=era, bearer=self.bearer)
        self.sessions, self.rates, self.micros = await stack.enter_async_context(opening), [], []

    async def round(self, seconds: float) -> None:
        """Call for so many seconds."""
        sidecar = psutil.Process(self.hub.pid("sidecar"))
        before = cpu(sidecar)
        params = {"name": "e_echo", "arguments": {"text": "x"}}
        report = await drive(self.sessions, "tools/call", params, seconds=seconds)
        if report.errors:
            raise RuntimeError(f"{report.errors} of {report.calls} calls failed: {report.first_errors}")
        self.rates.append(report.calls_per_s)
        self.micros.append(1e6 * (cpu(sidecar) - before) / report.calls)


async def _hub(stack: AsyncExitStack, session: str, **variables: str) -> Hub:
    variables |= {"HUB_TOKEN": secrets.token_hex(16)}
    hub = await stack.enter_async_context(
        running({"e": module("e", "bench.echo_server")}, {"w": ["e"]}, front=True, **variables)
    )
    await hub.desired.request(SetServer(key="e", settings={"session": session}), timeout=60)
    await hub.wait_settled()
    return hub


async def calls(quick: bool) -> list[Figure]:
    """The ratios on both ways, in each mode. The two hubs take turns, so that other load on the machine meets both."""
    rounds, seconds = (3, 0.3) if quick else (11, 1.0)
    figures = []
    for way, mode_of_session in WAYS.items():
        async with AsyncExitStack() as stack:
            sides = []
            for oauth in ("off", "on"):
                hub = await _hub(stack, mode_of_session, HUB_OAUTH=oauth)
                key = await hub.desired.request(AddKey(name="bench", workspaces=("w",)), timeout=10)
                sides.append(
                    Side(hub, (await allowed_client(hub, key.id)).access_token if oauth == "on" else key.token)
                )
            for mode in MODES:
                async with AsyncExitStack() as clients:
                    for side in sides:
                        await side.connect(clients, mode)
                    for number in range(rounds + 1):
                        for side in sides if number % 2 else reversed(sides):
                            await side.round(seconds)
                figures += _figures(f"{TITLES[mode]}, {way}", *sides)
    return figures


def _figures(what: str, off: Side, on: Side) -> list[Figure]:
    micros = [median(side.micros[1:]) for side in (off, on)]
    without, with_it = (median(side.rates[1:]) for side in (off, on))
    note = f"{with_it:,.0f} of {without:,.0f} calls/s, {CLIENTS} clients, {len(on.rates) - 1} alternating rounds"
    return [
        Figure(
            f"calls/s with an access token, over those with a key: {what}", with_it / without, "", ">=", SHARE, note
        ),
        Figure(f"the sidecar's CPU of a call, with a token less with a key: {what}", micros[1] - micros[0], "us"),
    ]
