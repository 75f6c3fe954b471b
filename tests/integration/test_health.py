"""What each surface says of a hub in each state (docs/states.md, *Health*): they agree, and name the reason."""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
import resource
import signal
import time
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import httpx2
import pytest

from bridge.errors import HubError
from hubctl.commands import doctor, servers
from hubctl.context import Context
from tests.support.hub import Hub, running
from tests.support.yamcp import mock

LIMITS = (0, resource.RLIM_INFINITY)
SETTLE_SECONDS = 30
ADAPTER, SIDECAR = "HUB_AWAY adapter", "HUB_AWAY sidecar"
NOWHERE = {"namespace": "bad", "type": "stdio", "providerParameters": {"command": "/nonexistent", "args": []}}


class Health(NamedTuple):
    """What the surfaces say; None where one does not answer."""

    healthz: tuple[int, frozenset[str]] | None
    """GET /healthz at the public port: status, and the codes of the reasons."""
    readyz: tuple[int, frozenset[str]] | None
    """GET /readyz at the sidecar, likewise."""
    page: frozenset[str] | None
    """GET /api/hub/state, as pages have it: who is away, states of workspaces, codes of errors and issues."""
    status: frozenset[str]
    """`hubctl status`: the codes in its lines, `not configured`, or the code of its own error."""
    doctor: frozenset[str]
    """`hubctl doctor`: its errors, by code or subject."""
    metrics: frozenset[str] | None
    """GET /metrics: the states of workspaces."""


class Watch:
    """Reads all surfaces of a hub."""

    def __init__(self, hub: Hub, http: httpx2.AsyncClient) -> None:
        self.hub, self.http = hub, http

    async def get(self, url: str) -> httpx2.Response | None:
        """A page; None if it does not come, or not from whom it should."""
        with contextlib.suppress(httpx2.HTTPError):
            response = await self.http.get(url)
            return None if b"_AWAY" in response.content and response.headers.get("retry-after") else response
        return None

    async def look(self) -> Health:
        """What they say now."""
        urls = [f"{self.hub.public}{path}" for path in ("/healthz", "/api/hub/state")]
        urls += [f"{self.hub.base}{path}" for path in ("/readyz", "/metrics")]
        pages = asyncio.gather(*map(self.get, urls))
        said, checked = await asyncio.gather(self.status(), self.doctor())
        healthz, state, readyz, metrics = await pages
        return Health(
            healthz and (healthz.status_code, reasons_of(healthz.json())),
            readyz and (readyz.status_code, reasons_of(readyz.json())),
            state and page_of(state.json()),
            said,
            checked,
            metrics and frozenset(":".join(found[::-1]) for found in METRIC.findall(metrics.text)),
        )

    async def status(self) -> frozenset[str]:
        """Of `hubctl status`."""
        out = io.StringIO()
        try:
            await servers.status(Context(self.hub.settings, out=out))
        except HubError as error:
            return frozenset({error.code})
        text = out.getvalue()
        codes = set(re.findall(r"^(?:\w+: )?([A-Z]+_[A-Z_]+): ", text, re.MULTILINE))
        return frozenset(codes | ({"not configured"} if "not configured yet" in text else set()))

    async def doctor(self) -> frozenset[str]:
        """Of `hubctl doctor`."""
        found = await doctor.findings(Context(self.hub.settings))
        return frozenset(f"{each.code} {each.subject}".strip() for each in found if each.level == "error")

    async def until(self, what: str, wanted: Health) -> None:
        """Wait until they say this. Pages hear of a process that hangs only when it has not answered for a while."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while (found := await self.look()) != wanted:
            differ = {name: (value, getattr(wanted, name)) for name, value in found._asdict().items()}
            differ = {name: values for name, values in differ.items() if values[0] != values[1]}
            assert time.monotonic() < deadline, f"{what}: {differ}"


METRIC = re.compile(r'^yamcp_hub_workspace_state\{state="(\w+)",workspace="(\w+)"\} 1\.0$', re.MULTILINE)


def reasons_of(body: dict[str, Any]) -> frozenset[str]:
    """The codes of the reasons, of HUB_AWAY with who it is."""
    return frozenset(named(reason) for reason in body.get("reasons", ()))


def named(reason: dict[str, Any]) -> str:
    """The code of an error, of HUB_AWAY with who it is."""
    code = str(reason["code"])
    return f"{code} {'adapter' if 'adapter' in reason['message'] else 'sidecar'}" if code == "HUB_AWAY" else code


def page_of(state: dict[str, Any]) -> frozenset[str]:
    """What a page shows of the hub."""
    shown = {f"{one['name']}:{one['state']}" for one in state["workspaces"]}
    shown |= {f"{one['name']}:{one['error']['code']}" for one in state["workspaces"] if one["error"]}
    return frozenset(shown | {named(one) for one in [*state["hub"]["errors"], *state["hub"]["issues"]]})


def expect(page: set[str] | None, doctor: set[str] | None = None, **more: Any) -> Health:
    """A hub whose one workspace is well, but for what is given."""
    well = {
        "healthz": (200, set()),
        "readyz": (200, set()),
        "status": set(),
        "metrics": {"w:ready"},
        "page": page,
        "doctor": doctor or set(),
    } | more
    frozen = {
        name: (value[0], frozenset(value[1])) if isinstance(value, tuple) else value and frozenset(value)
        for name, value in well.items()
    }
    return Health(**{**frozen, "status": frozenset(well["status"]), "doctor": frozenset(well["doctor"])})


@pytest.fixture
async def watch(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Watch]:
    """A hub with one server and one workspace, whose processes the test stops and starts."""
    monkeypatch.setattr(doctor, "ANSWER_TIMEOUT", 1.0)
    monkeypatch.setattr(doctor, "running", lambda _: True)  # there is no supervisord
    async with running({"a": mock("a")}, {"w": ["a"]}, front=True) as hub:
        (hub.yamcp_dir / "providers.json").chmod(0o600)
        async with httpx2.AsyncClient(timeout=8) as http:  # for processes that hang
            yield Watch(hub, http)


async def test_servers_and_files(watch: Watch) -> None:
    """Failed and crash-looping servers, an unparsable file whose last good version is in force, a full disk."""
    hub = watch.hub
    await watch.until("well", expect({"w:ready"}))

    remote = {"namespace": "denied", "type": "sse", "providerParameters": {"url": f"{hub.public}/nothing"}}
    hub.write({"a": mock("a"), "bad": NOWHERE, "remote": remote}, {"w": ["a", "bad"], "x": ["bad"], "r": ["remote"]})
    await watch.until(
        "failing servers",
        expect(
            {
                *("w:degraded", "w:SERVER_COMMAND_MISSING", "x:failed", "x:SERVER_COMMAND_MISSING"),
                *("r:failed", "r:SERVER_REFUSED"),
            },
            {
                *("SERVER_COMMAND_MISSING server bad", "SERVER_REFUSED server remote"),
                *("workspace x", "workspace r"),
            },
            healthz=(503, {"WORKSPACE_NOT_READY"}),
            readyz=(503, {"SERVER_COMMAND_MISSING", "SERVER_REFUSED"}),
            status={"SERVER_COMMAND_MISSING", "SERVER_REFUSED"},
            metrics={"w:degraded", "x:failed", "r:failed"},
        ),
    )

    hub.write({"a": mock("a")}, {"w": ["a"]})
    await watch.until("well again", expect({"w:ready"}))
    good = (hub.yamcp_dir / "providers.json").read_text()
    (hub.yamcp_dir / "providers.json").write_text("{ broken")
    broken = expect({"w:ready", "FILE_UNPARSABLE"}, {"FILE_UNPARSABLE providers.json"})
    await watch.until("a file is broken", broken)
    (hub.yamcp_dir / "providers.json").write_text(good)

    for name in ("adapter", "sidecar"):
        resource.prlimit(hub.pid(name), resource.RLIMIT_FSIZE, LIMITS)
    hub.write(workspaces={"w": ["a"], "v": ["a"]})
    full = {"w:ready", "v:ready", "STATE_NOT_SAVED"}
    unsaved = {"STATE_NOT_SAVED adapter-state.json"}
    await watch.until("the disk is full", expect(full, unsaved, metrics={"w:ready", "v:ready"}))


async def test_processes(watch: Watch) -> None:
    """Adapter, sidecar and front: each hung and gone; and a sidecar without a configuration."""
    hub = watch.hub
    adapter_away = expect(
        {"w:ready", ADAPTER},
        {"BRIDGE_UNAVAILABLE adapter"},
        healthz=(503, {ADAPTER}),
        status={"HUB_AWAY"},
    )
    os_signal(hub, "adapter", signal.SIGSTOP)
    await watch.until("the adapter hangs", adapter_away)
    await hub.kill("adapter")
    await watch.until("the adapter is gone", adapter_away)

    sidecar_away = expect(
        {"w:unknown", ADAPTER, SIDECAR},
        {"BRIDGE_UNAVAILABLE adapter", "BRIDGE_UNAVAILABLE sidecar"},
        healthz=(503, {ADAPTER, SIDECAR}),
        readyz=None,
        status={"BRIDGE_UNAVAILABLE"},
        metrics=None,
    )
    os_signal(hub, "sidecar", signal.SIGSTOP)
    await watch.until("the sidecar hangs, too", sidecar_away)
    await hub.kill("sidecar")
    await watch.until("the sidecar is gone, too", sidecar_away)

    (hub.data_dir / "applied.json").unlink()
    await hub.restart("front")
    await hub.start("sidecar")
    await watch.until(
        "a sidecar without a configuration",
        expect(
            {ADAPTER},
            {"BRIDGE_UNAVAILABLE adapter", "HUB_STARTING sidecar"},
            healthz=(503, {ADAPTER, "HUB_STARTING"}),
            readyz=(503, {"HUB_STARTING"}),
            status={"HUB_AWAY", "HUB_STARTING", "not configured"},
            metrics=set(),
        ),
    )

    await hub.start("adapter")
    await watch.until("all is well again", expect({"w:ready"}))
    front_away = expect(None, {"FRONT_AWAY front"}, healthz=None, status={"FRONT_AWAY"})
    await hub.kill("front")
    await watch.until("the front is gone", front_away)


def os_signal(hub: Hub, name: Any, number: signal.Signals) -> None:
    """Send a signal to a process that does not end of it."""
    hub._processes[name].send_signal(number)
