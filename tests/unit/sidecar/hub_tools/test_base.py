"""The base class of the hub's own tools: usage, and health."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastmcp.exceptions import ToolError

from bridge.models import Ping
from bridge.models.actual import HubToolStatus
from sidecar.errors import CallTimeout
from sidecar.hub_tool_errors import RegistryAway
from sidecar.hub_tools.base import READS, Health, HubTools
from sidecar.hub_tools.registry.adapter import Adapter
from sidecar.hub_tools.registry.reading import ReadingTools
from sidecar.hub_tools.service import HubToolsService

DOWN = Health("The database is away.", "Start it.")


class Tools(HubTools):
    """A tool that ends as it is told to."""

    def __init__(self) -> None:
        super().__init__("t")
        self.raises: Exception | None = None
        self.common = Health()
        self.add(self.work, "work", title="Work", annotations=READS)

    async def work(self) -> str:
        """Work."""
        if self.raises is not None:
            raise self.raises
        return "done"

    async def depends(self) -> Health:
        return self.common


async def test_calls_and_failures_are_counted() -> None:
    """Whoever is to blame."""
    tools = Tools()
    await tools.call_tool("work", {})
    first = tools.usage["work"].last_used
    tools.raises = CallTimeout("busy")
    assert (await tools.call_tool("work", {}))["isError"]
    assert (await tools.call_tool("work", {"unknown": 1}))["isError"]
    usage = tools.usage["work"]
    assert (usage.calls, usage.failures) == (3, 2)
    assert first is not None and usage.last_used is not None and usage.last_used >= first


@pytest.mark.parametrize(
    ("error", "healthy"), [(CallTimeout("busy"), True), (ToolError("no"), True), (KeyError("defect"), False)]
)
async def test_only_a_defect_of_the_hub_is_ill_health(error: Exception, healthy: bool) -> None:
    """Refusals and errors of servers are not. A call that succeeds ends it."""
    tools = Tools()
    tools.raises = error
    assert (await tools.call_tool("work", {}))["isError"]
    health = (await tools.health())["work"]
    assert (health.problem is None) is healthy
    assert healthy or "KeyError" in (health.problem or "")
    tools.raises = None
    await tools.call_tool("work", {})
    assert await tools.health() == {"work": Health()}


async def test_what_tools_depend_on_is_told_of_each() -> None:
    """As the group says."""
    tools = Tools()
    tools.common = DOWN
    assert await tools.health() == {"work": DOWN}


async def test_registry_tools_need_the_adapter(tmp_path: Path) -> None:
    """From the first request without an answer until one is answered; it is asked again every 5 s at most."""
    now = [100.0]
    tools = ReadingTools(adapter := Adapter(f"ipc://{tmp_path}/a", lambda: now[0]))
    assert (await tools.health())["registry_find"] == Health()
    with pytest.raises(RegistryAway):
        await adapter.request(Ping(), 0.01)
    assert "0.01 s" in ((await tools.health())["registry_find"].problem or "")
    now[0] += 5
    assert "0.5 s" in ((await tools.health())["registry_find"].problem or "")


async def test_the_report_has_each_tool_that_is_loaded() -> None:
    """Registry tools only after a workspace has shown some."""
    service = HubToolsService("ipc:///nowhere")
    names = ["hub_call_many", "hub_call_tool", "hub_search_tools", "hub_status"]
    assert await service.report() == tuple(HubToolStatus(name=name) for name in names)
    service.server_of(("registry_find",), ())
    assert "registry_find" in [each.name for each in await service.report()]
