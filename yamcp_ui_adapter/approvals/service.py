"""Answers what registry tools ask of the adapter, and decisions on proposals and tickets."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Mapping
from functools import partial
from urllib.parse import quote

from bridge.author import ASKED
from bridge.errors import HubError
from bridge.models import (
    Done,
    Event,
    Snapshot,
)
from bridge.models.catalog.activation import (
    ActivationJob,
    ReadActivationJobs,
)
from bridge.models.catalog.approvals import (
    ApproveProposal,
    Caller,
    ListProposals,
    Proposal,
    Proposals,
    ReadRegistryProgress,
    ReadSecretQuestion,
    RedeemSecretTicket,
    RefuseProposal,
    RegistryAdd,
    RegistryConfigure,
    RegistryFind,
    RegistryFound,
    RegistryOutcome,
    RegistryProgress,
    RegistryRemove,
    SecretAsked,
    SecretQuestion,
    SecretTicket,
    Shown,
)
from bridge.server import Handlers
from bridge.settings import Settings
from yamcp_ui_adapter.activation.errors import SettingsInvalid
from yamcp_ui_adapter.approvals import queue
from yamcp_ui_adapter.approvals.changes import Ask, Changes, Configure, unchanged
from yamcp_ui_adapter.approvals.errors import ProposalChanged
from yamcp_ui_adapter.approvals.rights import RegistryRights
from yamcp_ui_adapter.approvals.shown import agents_entry, digest_of
from yamcp_ui_adapter.approvals.store import APPROVALS_FILE, ApprovalsFile
from yamcp_ui_adapter.approvals.tickets import Resume, Tickets
from yamcp_ui_adapter.catalog.service import Catalog

log = logging.getLogger("yamcp_ui_adapter.approvals")

MAX_JOBS = 200
"""Jobs whose askers are remembered."""
SECRETS_PATH = "/secrets/"
"""The front's path of the page of a ticket."""


class ApprovalsService:
    """`ask` sends a request to the adapter itself, `snapshot` returns the desired state, `publish` gets an event
    whenever the answer to `proposals` has changed, and `configure` changes settings of an installed server."""

    def __init__(
        self,
        settings: Settings,
        ask: Ask,
        catalog: Catalog,
        snapshot: Callable[[], Snapshot],
        publish: Callable[[Event], None],
        configure: Configure,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._file = ApprovalsFile(settings.data_dir.absolute() / APPROVALS_FILE)
        self._base_url = settings.base_url
        self._ask = ask
        self._catalog = catalog
        self._changes = Changes(ask, catalog, snapshot, configure)
        self._rights = RegistryRights(settings, snapshot)
        self._tickets = Tickets(now)
        self._snapshot = snapshot
        self._publish = publish
        self._now = now
        self._jobs: dict[str, Caller] = {}

    def handlers(self) -> Handlers:
        """Return the handlers of the requests on the desired socket."""
        return {
            RegistryFind: self.find,
            RegistryAdd: self.add,
            RegistryRemove: self.remove,
            RegistryConfigure: self.configure,
            ReadRegistryProgress: self.progress,
            ListProposals: self.proposals,
            ApproveProposal: self.approve,
            RefuseProposal: self.refuse,
            ReadSecretQuestion: self.question,
            RedeemSecretTicket: self.redeem,
        }

    # --- what registry tools ask -------------------------------------------------------------------------------------

    async def find(self, body: RegistryFind) -> RegistryFound:
        """Search the catalogue. Raises RegistryForbidden, RegistryOff."""
        self._rights.of(body.caller, body.workspace, change=False)
        found = [each for each in map(agents_entry, self._catalog.found(body.text)) if each is not None]
        return RegistryFound(entries=tuple(found[: body.limit]), more=max(0, len(found) - body.limit))

    async def add(self, body: RegistryAdd) -> RegistryOutcome:
        """Put a server of the catalogue into a workspace, or propose it.

        Raises:
            RegistryForbidden, RegistryOff, TooManyProposals: nothing was changed.
            HubError: as the catalogue and `activate` raise.
        """
        right, _ = self._rights.of(body.caller, body.workspace, change=True)
        wanted = await self._changes.wanted(body.name, body.version, body.source, body.values)
        key = self._changes.free_key(wanted.shown.name)
        digest = wanted.digest("add", body.workspace, key)
        if right != "apply":
            return self._propose(body, "add", key, wanted.shown, digest)
        start = partial(self._start, body.caller, wanted.shown, digest, body.workspace, key)
        if wanted.secrets:
            return self._secrets_needed(body, key, wanted.shown.package, wanted.secrets, start)
        return RegistryOutcome(outcome="started", key=key, job=await start({}))

    async def remove(self, body: RegistryRemove) -> RegistryOutcome:
        """Take a server out of a workspace, or propose that. Raises as `add`, and NoSuchServer."""
        right, _ = self._rights.of(body.caller, body.workspace, change=True, server=body.server)
        self._changes.member(body.workspace, body.server)
        if right != "apply":
            shown = await self._shown_member(body.server)
            digest = digest_of(shown, "remove", body.workspace, body.server)
            return self._propose(body, "remove", body.server, shown, digest)
        gone = await self._remove(body.workspace, body.server)
        return RegistryOutcome(outcome="done", key=body.server, uninstalled=gone)

    async def configure(self, body: RegistryConfigure) -> RegistryOutcome:
        """Change settings of a server, or propose that. Raises as `add`, NoSuchServer, SettingUnknown."""
        right, _ = self._rights.of(body.caller, body.workspace, change=True, server=body.server)
        key = body.server
        shown, asked = await self._changes.settings(body.workspace, key, body.values, body.secrets)
        if right != "apply":
            return self._propose(body, "configure", key, shown, digest_of(shown, "configure", body.workspace, key))
        if asked:

            async def go_on(values: Mapping[str, str]) -> str:
                await self._changes.configure(key, shown.variables, values)
                return ""

            return self._secrets_needed(body, key, "", asked, go_on)
        await self._changes.configure(key, shown.variables, {})
        return RegistryOutcome(outcome="done", key=key)

    async def progress(self, body: ReadRegistryProgress) -> RegistryProgress:
        """Return a job, proposal or ticket of the caller itself. Raises RegistryForbidden, RegistryOff."""
        self._rights.of(body.caller, body.workspace, change=False)
        members = {key for each in self._snapshot().workspaces if each.name == body.workspace for key in each.servers}
        added = tuple(key for key in self._file.read().added if key in members)
        ticket, job = self._tickets.state(body.id, body.caller.id) or (None, body.id)
        asker = self._jobs.get(job)
        proposals = await self._current()
        proposal = next((each for each in proposals if each.id == body.id and each.principal == body.caller.id), None)
        if proposal is not None:
            job = proposal.job
        own = proposal is not None or (asker is not None and asker.id == body.caller.id)
        found = await self._job(job) if own and job else None
        return RegistryProgress(job=found, proposal=proposal, ticket=ticket, added=added)

    # --- proposals ---------------------------------------------------------------------------------------------------

    def renamed(self, servers: Mapping[str, str], workspaces: Mapping[str, str]) -> None:
        """Have proposals, and what is known of added servers, follow renames (old name to new)."""
        try:
            content = self._file.read()
            added = tuple(servers.get(key, key) for key in content.added)
            self._file.write(content.model_copy(update={"added": added}))
            self._keep(queue.renamed(content.proposals, servers, workspaces))
        except HubError as error:
            fields = {"code": error.code, "why": error.message}
            log.warning("proposals cannot be updated for renames", extra=fields)

    def _propose(
        self,
        body: RegistryAdd | RegistryRemove | RegistryConfigure,
        action: str,
        key: str,
        shown: Shown,
        digest: str,
    ) -> RegistryOutcome:
        now = self._now()
        proposal = Proposal.model_validate(
            {
                "id": f"p{secrets.token_hex(8)}",
                "state": "pending",
                "action": action,
                "principal": body.caller.id,
                "principal_name": body.caller.name,
                "workspace": body.workspace,
                "key": key,
                "reason": body.reason,
                "shown": shown,
                "digest": digest,
                "created": now,
                "expires": now + queue.LIFETIME_SECONDS,
            }
        )
        proposals, stands = queue.added(queue.expired(self._file.read().proposals, now), proposal)
        if stands is proposal:
            self._keep(proposals)
            fields = {"proposal": proposal.id, "action": action, "server": key, "principal": body.caller.id}
            log.info("a change was proposed", extra={**fields, "workspace": body.workspace})
        return RegistryOutcome(outcome="proposed", key=stands.key, proposal=stands)

    async def proposals(self, _: ListProposals | None = None) -> Proposals:
        """Return all proposals. Raises ApprovalsFileBroken."""
        return Proposals(proposals=tuple(reversed(await self._current())))

    async def approve(self, body: ApproveProposal) -> Proposal:
        """Carry out a proposal.

        Raises:
            NoSuchProposal, ProposalDecided, ProposalChanged: nothing was changed.
            HubError: as the change raises; the proposal still waits.
        """
        proposal = queue.waiting(await self._current(), body.id)
        unchanged(proposal, body.digest)
        try:
            job = await self._carry_out(proposal, body.secrets)
        except ProposalChanged:
            await self._show_anew(proposal)
            raise
        return self._decide(proposal, "approved", job)

    async def refuse(self, body: RefuseProposal) -> Proposal:
        """Refuse a proposal. Raises NoSuchProposal, ProposalDecided."""
        return self._decide(queue.waiting(await self._current(), body.id), "refused")

    async def _carry_out(self, proposal: Proposal, values: Mapping[str, str]) -> str:
        workspace, key, shown = proposal.workspace, proposal.key, proposal.shown
        if missing := [name for name in shown.secrets if proposal.action != "remove" and not values.get(name)]:
            raise SettingsInvalid(
                f"The secret setting {missing[0]!r} has to be entered with the approval.",
                data={"inputs": dict.fromkeys(missing, "It is required, and a secret.")},
            )
        if proposal.action == "add":
            asker = Caller(id=proposal.principal, name=proposal.principal_name)
            return await self._start(asker, shown, proposal.digest, workspace, key, values)
        if proposal.action == "remove":
            await self._remove(workspace, key)
        else:
            texts = {name: each[0] for name, each in shown.variables.items()}
            now, _ = await self._changes.settings(workspace, key, texts, shown.secrets)
            if digest_of(now, "configure", workspace, key) != proposal.digest:
                raise ProposalChanged(f"The server {key!r} has changed since the proposal was made.")
            await self._changes.configure(key, shown.variables, values)
        return ""

    async def _show_anew(self, proposal: Proposal) -> None:
        """Have a proposal show what it would run now."""
        shown, key, workspace = proposal.shown, proposal.key, proposal.workspace
        if proposal.action == "add":
            key = self._changes.free_key(shown.name) if self._is_taken(key) else key
            now = await self._changes.wanted(shown.name, shown.version, shown.source or None, shown.variables)
            news = {"key": key, "shown": now.shown, "digest": now.digest("add", workspace, key)}
        else:
            texts = {name: each[0] for name, each in shown.variables.items()}
            seen, _ = await self._changes.settings(workspace, key, texts, shown.secrets)
            news = {"shown": seen, "digest": digest_of(seen, proposal.action, workspace, key)}
        self._keep(queue.replaced(self._file.read().proposals, proposal.model_copy(update=news)))

    def _is_taken(self, key: str) -> bool:
        return any(server.key == key for server in self._snapshot().servers)

    def _decide(self, proposal: Proposal, state: str, job: str = "") -> Proposal:
        author = ASKED.get().author
        by = author.principal or author.source if author else ""
        news = {"state": state, "decided": self._now(), "decided_by": by, "job": job}
        decided = proposal.model_copy(update=news)
        self._keep(queue.replaced(self._file.read().proposals, decided))
        log.info("a proposal was decided", extra={"proposal": proposal.id, "state": state, "principal": by})
        return decided

    async def _current(self) -> queue.Queue:
        """The proposals as they are now: expired, and failed where their activation has failed."""
        proposals = queue.expired(self._file.read().proposals, self._now())
        if any(each.state == "approved" and each.job for each in proposals):
            jobs = {job.id: job for job in (await self._ask(ReadActivationJobs())).jobs}
            proposals = tuple(queue.outcome(each, jobs.get(each.job)) for each in proposals)
        if proposals != self._file.read().proposals:
            self._keep(proposals)
        return proposals

    def _keep(self, proposals: queue.Queue) -> None:
        self._file.write(self._file.read().model_copy(update={"proposals": proposals}))
        waiting = sum(each.state == "pending" for each in proposals)
        self._publish(Event(topic="approvals", data={"waiting": waiting}))

    # --- secrets -----------------------------------------------------------------------------------------------------

    def _secrets_needed(
        self,
        body: RegistryAdd | RegistryConfigure,
        key: str,
        package: str,
        asked: tuple[SecretAsked, ...],
        resume: Resume,
    ) -> RegistryOutcome:
        secret, ticket = self._tickets.make(
            principal=body.caller.id,
            workspace=body.workspace,
            server=key,
            package=package,
            asked=asked,
            resume=resume,
        )
        url = f"{self._base_url}{SECRETS_PATH}{quote(secret)}"
        made = SecretTicket(id=ticket.id, url=url, expires=ticket.expires)
        return RegistryOutcome(outcome="secrets_needed", key=key, ticket=made)

    async def question(self, body: ReadSecretQuestion) -> SecretQuestion:
        """Return what a ticket asks for. Raises TicketInvalid."""
        ticket = self._tickets.open(body.ticket, body.principal, body.admin)
        return SecretQuestion(
            server=ticket.server,
            package=ticket.package,
            workspace=ticket.workspace,
            secrets=ticket.asked,
            expires=ticket.expires,
        )

    async def redeem(self, body: RedeemSecretTicket) -> Done:
        """Take the values of a ticket, and go on with what waits for them.

        Raises:
            TicketInvalid: it cannot be used.
            HubError: as the change raises; the ticket can be used once more.
        """
        ticket = self._tickets.open(body.ticket, body.principal, body.admin)
        names = {each.name for each in ticket.asked}
        if strangers := set(body.values) - names:
            raise SettingsInvalid(f"{min(strangers)!r} was not asked for.")
        if missing := [name for name in sorted(names) if not body.values.get(name)]:
            raise SettingsInvalid(f"{missing[0]!r} has no value.")
        ticket.used = True
        try:
            ticket.job = await ticket.resume(body.values)
        except HubError:
            ticket.used = False
            raise
        log.info("secrets were entered", extra={"server": ticket.server, "principal": body.principal})
        return Done()

    # --- carrying out ------------------------------------------------------------------------------------------------

    async def _start(
        self, asker: Caller, shown: Shown, digest: str, workspace: str, key: str, values: Mapping[str, str]
    ) -> str:
        job = await self._changes.add(shown, digest, workspace, key, values)
        self._jobs[job] = asker
        while len(self._jobs) > MAX_JOBS:
            del self._jobs[next(iter(self._jobs))]
        await self._note_added(key)
        return job

    async def _note_added(self, key: str) -> None:
        """Remember that a registry tool adds a server; forget those that are gone."""
        content = self._file.read()
        running = {job.key for job in (await self._ask(ReadActivationJobs())).jobs if job.ended is None}
        present = {server.key for server in self._snapshot().servers} | running
        kept = (*(each for each in content.added if each in present and each != key), key)
        self._file.write(self._file.read().model_copy(update={"added": kept}))

    async def _remove(self, workspace: str, key: str) -> bool:
        own = key in self._file.read().added
        gone = await self._changes.remove(workspace, key, uninstall=own)
        if gone:
            content = self._file.read()
            rest = tuple(each for each in content.added if each != key)
            self._file.write(content.model_copy(update={"added": rest}))
        return gone

    async def _shown_member(self, key: str) -> Shown:
        known = await self._changes.installed(key)
        if known is None:
            return Shown(name=key)
        return Shown(name=known.name, version=known.version, source=known.source, command=known.command)

    async def _job(self, wanted: str) -> ActivationJob | None:
        jobs = (await self._ask(ReadActivationJobs())).jobs
        return next((job for job in jobs if job.id == wanted), None)
