"""`registry_add`, `registry_exec`, `registry_remove` and `registry_config_set`, beside those that only read."""

from __future__ import annotations

from typing import Annotated

from fastmcp.tools import ToolResult
from mcp_types import CallToolResult, ToolAnnotations
from pydantic import Field

from bridge.models.catalog.approvals import (
    MAX_REASON,
    RegistryAdd,
    RegistryConfigure,
    RegistryOutcome,
    RegistryRemove,
    SecretTicket,
)
from sidecar.hub_tools.base import Arguments
from sidecar.hub_tools.call_tools import CALLS_ANY
from sidecar.hub_tools.registry.adapter import CHANGE_SECONDS, Adapter, vouched
from sidecar.hub_tools.registry.reading import ReadingTools
from sidecar.hub_tools.registry.results import ChangeReport
from sidecar.hub_tools.registry.secret_page import SecretPages
from sidecar.hub_tools.registry.waiting import until_done, until_shown

ADDS = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=True)
REMOVES = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False)
SETS = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False)
PROPOSED = "Nothing was changed yet. An administrator of the hub approves or refuses it; registry_status shows which."
SECRETS = "Nothing was changed yet. Ask the user to open the url and enter the secrets; then call registry_status."

Server = Annotated[str, Field(min_length=1, max_length=200, description="as registry_active lists it")]
Reason = Annotated[str, Field(max_length=MAX_REASON, description="why, for the administrator who may have to approve")]
Values = Annotated[
    dict[str, str], Field(default_factory=dict, max_length=200, description="settings that are no secrets, by name")
]
Secrets = Annotated[
    list[str],
    Field(default_factory=list, max_length=50, description="names of secret settings that the user is to enter"),
]


class RegistryTools(ReadingTools):
    """All seven registry tools."""

    def __init__(self, adapter: Adapter) -> None:
        super().__init__(adapter)
        self._pages = SecretPages()
        self.add(self.registry_add, "registry_add", title="Add an MCP server", annotations=ADDS)
        self.add(self.registry_exec, "registry_exec", title="Call a tool", annotations=CALLS_ANY, output=False)
        self.add(self.registry_remove, "registry_remove", title="Remove an MCP server", annotations=REMOVES)
        self.add(self.registry_config_set, "registry_config_set", title="Set up an MCP server", annotations=SETS)

    async def registry_add(
        self,
        name: Annotated[str, Field(min_length=1, max_length=200, description="as registry_find returned it")],
        values: Values,
        version: Annotated[str | None, Field(max_length=255, description="the newest, if omitted")] = None,
        source: Annotated[str | None, Field(max_length=64, description="as registry_find returned it")] = None,
        reason: Reason = "",
    ) -> ChangeReport:
        """Add an MCP server of the catalogue to this workspace. Its tools can be called when this returns `done`.
        Never pass secrets: the user enters them on a page of the hub."""
        caller = self.caller()
        body = RegistryAdd(
            caller=vouched(caller),
            workspace=caller.workspace.name,
            name=name,
            version=version,
            source=source,
            values=values,
            reason=reason,
        )
        return await self._changed(body)

    async def registry_exec(
        self,
        tool: Annotated[str, Field(description="name of the tool, as registry_add or registry_active returned it")],
        arguments: Arguments,
    ) -> ToolResult:
        """Call a tool of a server that was added after you had read the list of tools. Returns that tool's result."""
        result = await self.caller().call(tool, arguments, self.caller().progress())
        return ToolResult.from_mcp_result(CallToolResult.model_validate(result))

    async def registry_remove(self, server: Server, reason: Reason = "") -> ChangeReport:
        """Take an MCP server out of this workspace; it is uninstalled if an agent has added it and nobody uses it."""
        caller = self.caller()
        body = RegistryRemove(caller=vouched(caller), workspace=caller.workspace.name, server=server, reason=reason)
        outcome = await self._adapter.request(body, CHANGE_SECONDS)
        if outcome.outcome != "done":
            return await self._report(outcome, "")
        await until_shown(caller, outcome.key, lambda tools: not tools)
        left = "It was uninstalled." if outcome.uninstalled else "It stays installed."
        return ChangeReport(outcome="done", server=outcome.key, what_happens_next=f"Its tools are gone. {left}")

    async def registry_config_set(
        self,
        server: Server,
        values: Values,
        secrets: Secrets,
        reason: Reason = "",
    ) -> ChangeReport:
        """Change settings of an MCP server that was added from the catalogue; it restarts with them."""
        caller = self.caller()
        body = RegistryConfigure(
            caller=vouched(caller),
            workspace=caller.workspace.name,
            server=server,
            values=values,
            secrets=tuple(secrets),
            reason=reason,
        )
        return await self._changed(body)

    async def _changed(self, body: RegistryAdd | RegistryConfigure) -> ChangeReport:
        """Ask for a change; or go on with the one that a modern client has asked for, if it repeats its call."""
        call = body.model_dump_json(exclude={"caller"})
        if (asked := self._pages.repeated(self.caller(), call)) is not None:
            return await self._installed(asked.server, asked.ticket)
        return await self._report(await self._adapter.request(body, CHANGE_SECONDS), call)

    async def _report(self, outcome: RegistryOutcome, call: str) -> ChangeReport:
        """What to tell the caller, after what can be waited for. `call` tells its call apart from others."""
        if outcome.proposal is not None:
            number = outcome.proposal.id
            return ChangeReport(outcome="proposed", server=outcome.key, what_happens_next=PROPOSED, id=number)
        if outcome.ticket is not None:
            return await self._with_secrets(outcome.key, outcome.ticket, call)
        if outcome.outcome == "started":
            return await self._installed(outcome.key, outcome.job)
        return await self._shown(outcome.key)

    async def _with_secrets(self, key: str, ticket: SecretTicket, call: str) -> ChangeReport:
        if await self._pages.opened(self.caller(), ticket, key, call):
            return await self._installed(key, ticket.id)
        return ChangeReport(
            outcome="secrets_needed", server=key, what_happens_next=SECRETS, id=ticket.id, url=ticket.url
        )

    async def _installed(self, key: str, number: str) -> ChangeReport:
        job = await until_done(self._adapter, self.caller(), number)
        if job is not None:
            return await self._shown(key if job == "used" else job.key)
        later = "It goes on without you. Call registry_status until it is done."
        return ChangeReport(outcome="started", server=key, what_happens_next=later, id=number)

    async def _shown(self, key: str) -> ChangeReport:
        tools = await until_shown(self.caller(), key, bool)
        told = "Call its tools by these names, or with registry_exec." if tools else "It has no tools; see hub_status."
        return ChangeReport(outcome="done", server=key, tools=tools, what_happens_next=told)
