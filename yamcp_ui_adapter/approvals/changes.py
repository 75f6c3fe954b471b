"""Carries out the changes of registry tools with the adapter's own requests: to activate, remove and edit servers."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from pathlib import Path
from typing import Protocol, TypeVar

from bridge.models import (
    EditMany,
    Model,
    Request,
    Snapshot,
)
from bridge.models.catalog.activation import (
    Activate,
    InstalledServer,
    ReadInstalled,
    RemoveInstalled,
    RemoveVariable,
)
from bridge.models.catalog.approvals import (
    Proposal,
    SecretAsked,
    Shown,
)
from yamcp_ui_adapter.activation.inputs import checked
from yamcp_ui_adapter.activation.lookup import Lookup
from yamcp_ui_adapter.activation.plan import described
from yamcp_ui_adapter.approvals.errors import ProposalChanged, SettingUnknown
from yamcp_ui_adapter.approvals.rights import NOT_THERE
from yamcp_ui_adapter.approvals.shown import Wanted, refuse_secrets, wanted
from yamcp_ui_adapter.errors import NoSuchServer

A = TypeVar("A", bound=Model)
_NOT_IN_KEYS = re.compile(r"[^A-Za-z0-9_-]+")


class Ask(Protocol):
    """Sends a request to the adapter itself."""

    async def __call__(self, body: Request[A]) -> A: ...


Configure = Callable[[str, Mapping[str, tuple[str, ...]], Mapping[str, str]], Awaitable[None]]
"""Changes settings, by the key of the server, and secrets (`Activations.configure`)."""


class Changes:
    """`snapshot` returns the desired state; `configure` changes settings of an installed server."""

    def __init__(self, ask: Ask, catalog: Lookup, snapshot: Callable[[], Snapshot], configure: Configure) -> None:
        self._ask = ask
        self._catalog = catalog
        self._snapshot = snapshot
        self.configure = configure

    # --- adding ------------------------------------------------------------------------------------------------------

    async def wanted(
        self, name: str, version: str | None, source: str | None, values: Mapping[str, str | tuple[str, ...]]
    ) -> Wanted:
        """Return what an entry would run. Raises as `shown.wanted` and the catalogue."""
        return wanted(await self._catalog.entry(name, version, source), values, str(Path.home()))

    def free_key(self, name: str) -> str:
        """Return a key in providers.json for an entry of that name."""
        taken = {server.key for server in self._snapshot().servers}
        plain = _NOT_IN_KEYS.sub("-", name.rsplit("/", 1)[-1]).strip("-") or "server"
        return next(each for each in (plain, *(f"{plain}-{n}" for n in range(2, 1000))) if each not in taken)

    async def add(self, shown: Shown, digest: str, workspace: str, key: str, secrets: Mapping[str, str]) -> str:
        """Start the activation of what was shown; returns the id of its job.

        Raises:
            ProposalChanged: it would run something else by now.
            HubError: as `activate` raises.
        """
        now = await self.wanted(shown.name, shown.version or None, shown.source or None, shown.variables)
        if now.digest("add", workspace, key) != digest:
            raise ProposalChanged(f"What {shown.name!r} would run has changed since it was shown.")
        made = await self._ask(
            Activate(
                name=shown.name,
                version=shown.version or None,
                source=shown.source or None,
                key=key,
                values=shown.variables,
                secrets=dict(secrets),
                workspaces=(workspace,),
            )
        )
        return made.job

    # --- removing ----------------------------------------------------------------------------------------------------

    def member(self, workspace: str, key: str) -> None:
        """Check that a server is in a workspace. Raises NoSuchServer."""
        if not any(each.name == workspace and key in each.servers for each in self._snapshot().workspaces):
            raise NoSuchServer(NOT_THERE.format(server=key))

    async def remove(self, workspace: str, key: str, *, uninstall: bool) -> bool:
        """Take a server out of a workspace. `uninstall`: also uninstall it with its variables, if no other workspace
        has it. Returns whether it was uninstalled."""
        self.member(workspace, key)
        alone = all(each.name == workspace or key not in each.servers for each in self._snapshot().workspaces)
        if not (uninstall and alone and await self.installed(key)):
            await self._ask(EditMany(action="leave", servers=(key,), workspaces=(workspace,)))
            return False
        removed = await self._ask(RemoveInstalled(key=key))
        for name in removed.variables:
            await self._ask(RemoveVariable(name=name))
        return True

    async def installed(self, key: str) -> InstalledServer | None:
        """Return what is known of an activated server; None if it was not activated from the catalogue."""
        servers = (await self._ask(ReadInstalled())).servers
        return next((each for each in servers if each.key == key), None)

    # --- settings ----------------------------------------------------------------------------------------------------

    async def settings(
        self, workspace: str, key: str, values: Mapping[str, str], secrets: Collection[str]
    ) -> tuple[Shown, tuple[SecretAsked, ...]]:
        """Check new settings of a server; returns what an administrator is shown, and the secrets to be entered.

        Raises:
            NoSuchServer, SettingUnknown, SecretInConversation, SettingsInvalid: they cannot be set.
        """
        self.member(workspace, key)
        known = await self.installed(key)
        if known is None:
            raise SettingUnknown(f"The server {key!r} was not added from the catalogue: its settings are not known.")
        version = known.entry_version or known.version
        found = await self._catalog.entry(known.name, version, known.source or None)
        about = described(found.entry, local=found.local)
        inputs = {each.name: each for each in about.inputs if each.kind in ("variable", "header")}
        if strangers := [name for name in (*values, *secrets) if name not in inputs]:
            raise SettingUnknown(f"The server {key!r} has no setting {strangers[0]!r} that can be changed.")
        if plain := [name for name in secrets if not inputs[name].secret]:
            raise SettingUnknown(f"The setting {plain[0]!r} of the server {key!r} is no secret.")
        refuse_secrets(about.inputs, values)
        answers = checked([inputs[name] for name in values], values, {}, str(Path.home()))
        shown = Shown(
            name=known.name,
            version=known.version,
            source=known.source,
            command=known.command,
            variables=answers.values,
            secrets=tuple(secrets),
        )
        return shown, tuple(SecretAsked(name=name, description=inputs[name].description) for name in secrets)


def unchanged(proposal: Proposal, digest: str) -> None:
    """Check the digest that an approval names. Raises ProposalChanged."""
    if proposal.digest != digest:
        raise ProposalChanged(f"The proposal {proposal.id!r} shows something else by now.")
