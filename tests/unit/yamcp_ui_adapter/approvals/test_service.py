"""ApprovalsService: who changes a workspace at once, who only proposes, and what an approval runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bridge.errors import HubError
from bridge.keys import KeysFile, StoredKey, new_token, token_hash
from bridge.models import (
    AccessFile,
    Changed,
    EditMany,
    Event,
    ServerSpec,
    Snapshot,
    SnapshotId,
    StdioLaunch,
    WorkspaceSpec,
)
from bridge.models.catalog.activation import (
    Activate,
    ActivationJob,
    ActivationJobs,
    InstalledServer,
    InstalledServers,
    JobStarted,
    ReadActivationJobs,
    ReadInstalled,
    Removed,
    RemoveInstalled,
    RemoveVariable,
)
from bridge.models.catalog.approvals import (
    ApproveProposal,
    Caller,
    Proposal,
    ReadRegistryProgress,
    ReadSecretQuestion,
    RedeemSecretTicket,
    RefuseProposal,
    RegistryAdd,
    RegistryConfigure,
    RegistryRemove,
)
from bridge.settings import Settings
from yamcp_ui_adapter.activation.errors import SettingsInvalid
from yamcp_ui_adapter.activation.lookup import Found
from yamcp_ui_adapter.approvals import queue
from yamcp_ui_adapter.approvals.errors import (
    ApprovalsFileBroken,
    NoSuchProposal,
    ProposalChanged,
    ProposalDecided,
    RegistryForbidden,
    RegistryOff,
    SecretInConversation,
    TicketInvalid,
    TooManyProposals,
)
from yamcp_ui_adapter.approvals.service import ApprovalsService
from yamcp_ui_adapter.errors import NoSuchServer

BOB, ADA = "k0000b0b", "k00000ad"
EVERYBODY = Caller(id="")
ID = SnapshotId(epoch=1, revision=1, hash="")
SECRET = "a-value-that-no-agent-sees"


def entry(version: str = "1.0.0", *, secret: bool = False, program: str = "notes-mcp") -> dict[str, Any]:
    variables = [{"name": "ROOT", "default": "/srv"}]
    if secret:
        variables.append({"name": "TOKEN", "isRequired": True, "isSecret": True, "description": "Of the notes."})
    package = {
        "registryType": "npm",
        "identifier": program,
        "version": version,
        "transport": {"type": "stdio"},
        "environmentVariables": variables,
    }
    return {"name": "io.example/notes", "version": version, "packages": [package]}


class Adapter:
    """What the service asks of the rest of the adapter: requests are recorded, and change a small state."""

    def __init__(self, tmp_path: Path, level: str = "add", *, protected: bool = False) -> None:
        self.asked: list[Any] = []
        self.events: list[Event] = []
        self.jobs: dict[str, ActivationJob] = {}
        self.offered = entry()
        self.members: dict[str, list[str]] = {"dev": [], "other": []}
        self.level = level
        self.access: AccessFile | None = None
        self.clock = 1_000_000.0
        self.settings = Settings(data_dir=tmp_path, token="a-token-of-the-hub" if protected else None)
        self.keys = {name: new_token(name) for name in (BOB, ADA)}
        stored = tuple(
            StoredKey(id=name, name=name, hash=token_hash(token), workspaces=None, admin=name == ADA, created=1)
            for name, token in self.keys.items()
        )
        self.settings.keys_file.write_text(KeysFile(keys=stored).model_dump_json())
        self.service = self.restarted()

    def restarted(self) -> ApprovalsService:
        return ApprovalsService(
            self.settings,
            self.ask,
            self,
            lambda: self.snapshot,
            self.events.append,
            self.configure,
            lambda: self.clock,
        )

    async def configure(self, key: str, values: Any, secrets: Any) -> None:
        self.asked.append((key, dict(values), sorted(secrets)))

    @property
    def snapshot(self) -> Snapshot:
        keys = dict.fromkeys(key for members in self.members.values() for key in members)
        servers = tuple(ServerSpec(key=key, namespace=key, launch=StdioLaunch(command="x")) for key in keys)
        spaces = tuple(
            WorkspaceSpec(name=name, slug=name, servers=tuple(members), registry=self.level)
            for name, members in self.members.items()
        )
        return Snapshot.of(1, 1, servers, spaces, self.access)

    def entries(self) -> list[Any]:
        return [self.offered]

    async def entry(self, name: str, version: str | None, source: str | None) -> Found:
        return Found(self.offered, source or "shipped")

    async def ask(self, body: Any) -> Any:
        self.asked.append(body)
        match body:
            case Activate(key=str(key)):
                job = f"j{len(self.jobs)}"
                self.jobs[job] = ActivationJob(
                    id=job, action="activate", key=key, name=body.name, state="done", began=1, ended=2
                )
                for name in body.workspaces:
                    self.members[name].append(key)
                return JobStarted(job=job, key=key)
            case ReadActivationJobs():
                return ActivationJobs(jobs=tuple(self.jobs.values()))
            case ReadInstalled():
                return InstalledServers(servers=tuple(self.installed(job.key) for job in self.jobs.values()))
            case EditMany(action="leave"):
                self.members[body.workspaces[0]].remove(body.servers[0])
                return Changed(snapshot=ID)
            case RemoveInstalled():
                for members in self.members.values():
                    members[:] = [key for key in members if key != body.key]
                return Removed(snapshot=ID, variables=("NOTES_TOKEN",))
        return Changed(snapshot=ID)

    def installed(self, key: str) -> InstalledServer:
        return InstalledServer(key=key, name="io.example/notes", version="1.0.0", kind="npm", installed=1)

    def changes(self) -> list[Any]:
        """The requests that change something."""
        return [each for each in self.asked if not isinstance(each, ReadActivationJobs | ReadInstalled)]

    async def add(self, caller: Caller = EVERYBODY, **more: Any) -> Any:
        return await self.service.add(RegistryAdd(caller=caller, workspace="dev", name="io.example/notes", **more))

    async def proposed(self, caller: Caller = EVERYBODY, **more: Any) -> Proposal:
        made = await self.add(caller, **more)
        assert made.outcome == "proposed"
        assert made.proposal is not None
        return made.proposal


# --- who may --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("level", "error"), [("off", RegistryOff), ("find", RegistryOff)])
async def test_a_level_that_allows_no_change(tmp_path: Path, level: str, error: type[HubError]) -> None:
    adapter = Adapter(tmp_path, level)
    with pytest.raises(error):
        await adapter.add()
    assert adapter.changes() == []
    assert not (tmp_path / "approvals.json").exists()


async def test_ask_proposes_whoever_asks(tmp_path: Path) -> None:
    adapter = Adapter(tmp_path, "ask")
    await adapter.proposed()
    assert adapter.changes() == []


@pytest.mark.parametrize(
    ("caller", "outcome"),
    [
        (Caller(id="admin"), "started"),
        (Caller(id=ADA), "started"),
        (Caller(id=BOB), "proposed"),
        (Caller(id=ADA, grant=True), "proposed"),
        (Caller(id="front"), "proposed"),
        (Caller(id=""), "proposed"),
    ],
)
async def test_only_administrators_of_a_protected_hub_change_at_once(
    tmp_path: Path, caller: Caller, outcome: str
) -> None:
    """The hub's token and an admin key do; not another key, a grant, or the console, which owners use too."""
    adapter = Adapter(tmp_path, protected=True)
    assert (await adapter.add(caller)).outcome == outcome
    assert bool(adapter.changes()) == (outcome == "started")


async def test_roles_of_access_json_count_and_what_the_caller_says_of_a_key_does_not(tmp_path: Path) -> None:
    adapter = Adapter(tmp_path, protected=True)
    roles = [{"subject": "group:ops", "role": "admin"}]
    adapter.access = AccessFile.model_validate({"version": 1, "roles": roles})
    user = Caller(id="u" + "1" * 15, subjects=("group:ops",))
    assert (await adapter.add(user)).outcome == "started"
    assert (await adapter.add(Caller(id=BOB, subjects=("group:ops",)))).outcome == "proposed"


@pytest.mark.parametrize("caller", [Caller(id="k0000000"), Caller(id="u" + "2" * 15), Caller(id="nobody")])
async def test_who_may_not_use_the_workspace_learns_nothing(tmp_path: Path, caller: Caller) -> None:
    """A revoked key, a user without rules and an unknown id get the answer for a workspace that does not exist."""
    adapter = Adapter(tmp_path, protected=True)
    with pytest.raises(RegistryForbidden):
        await adapter.add(caller)
    with pytest.raises(RegistryForbidden):
        await adapter.service.progress(ReadRegistryProgress(caller=caller, workspace="nope"))


async def test_a_server_that_a_caller_may_not_use_does_not_exist(tmp_path: Path) -> None:
    """It can neither be removed nor set up, nor be proposed to be, and is told apart from no other name by nothing."""
    adapter = Adapter(tmp_path, protected=True)
    adapter.members["dev"] = ["notes", "hidden"]
    adapter.access = AccessFile.model_validate(
        {"keys": "rules", "rules": [{"effect": "allow", "subject": f"key:{BOB}", "servers": ["notes"]}]}
    )
    bob = Caller(id=BOB)
    for body in (RegistryRemove, RegistryConfigure):
        handler: Any = adapter.service.handlers()[body]
        told = []
        for server in ("hidden", "nowhere"):
            with pytest.raises(NoSuchServer) as caught:
                await handler(body(caller=bob, workspace="dev", server=server))
            told.append(caught.value.message.replace(server, "x"))
        assert told[0] == told[1]
    assert adapter.changes() == []
    made = await adapter.service.remove(RegistryRemove(caller=bob, workspace="dev", server="notes"))
    assert made.outcome == "proposed"


# --- adding and removing --------------------------------------------------------------------------------------------


async def test_added_and_removed_leaves_nothing(tmp_path: Path) -> None:
    adapter = Adapter(tmp_path)
    made = await adapter.add(values={"ROOT": "/data"})
    activate = next(each for each in adapter.asked if isinstance(each, Activate))
    assert (activate.key, activate.version, activate.workspaces) == ("notes", "1.0.0", ("dev",))
    assert activate.values == {"ROOT": ("/data",)}
    seen = await adapter.service.progress(ReadRegistryProgress(caller=EVERYBODY, workspace="dev", id=made.job))
    assert seen.job is not None
    assert seen.job.state == "done"
    assert seen.added == ("notes",)
    gone = await adapter.service.remove(RegistryRemove(caller=EVERYBODY, workspace="dev", server="notes"))
    assert gone.uninstalled
    assert RemoveVariable(name="NOTES_TOKEN") in adapter.asked
    assert adapter.members == {"dev": [], "other": []}


async def test_what_others_use_or_somebody_else_added_is_not_uninstalled(tmp_path: Path) -> None:
    adapter = Adapter(tmp_path)
    await adapter.add()
    adapter.members["other"].append("notes")
    adapter.members["dev"].append("theirs")
    for server in ("notes", "theirs"):
        gone = await adapter.service.remove(RegistryRemove(caller=EVERYBODY, workspace="dev", server=server))
        assert not gone.uninstalled
    assert adapter.members == {"dev": [], "other": ["notes"]}
    with pytest.raises(NoSuchServer):
        await adapter.service.remove(RegistryRemove(caller=EVERYBODY, workspace="dev", server="notes"))


async def test_a_second_server_of_an_entry_gets_a_key_of_its_own(tmp_path: Path) -> None:
    adapter = Adapter(tmp_path)
    assert [(await adapter.add()).key for _ in range(2)] == ["notes", "notes-2"]


# --- proposals ------------------------------------------------------------------------------------------------------


async def test_an_approval_runs_exactly_what_was_shown(tmp_path: Path) -> None:
    adapter = Adapter(tmp_path, "ask")
    proposal = await adapter.proposed(values={"ROOT": "/data"}, reason="notes!")
    assert proposal.shown.package == "npm notes-mcp@1.0.0"
    assert proposal.shown.variables == {"ROOT": ("/data",)}
    assert adapter.events[-1].data == {"waiting": 1}
    done = await adapter.service.approve(ApproveProposal(id=proposal.id, digest=proposal.digest))
    assert (done.state, done.job) == ("approved", "j0")
    activate = next(each for each in adapter.asked if isinstance(each, Activate))
    assert (activate.version, activate.values) == ("1.0.0", {"ROOT": ("/data",)})
    assert adapter.events[-1].data == {"waiting": 0}
    with pytest.raises(ProposalDecided):
        await adapter.service.approve(ApproveProposal(id=proposal.id, digest=proposal.digest))


@pytest.mark.parametrize("change", ["program", "version"])
async def test_a_changed_entry_is_refused_and_shown_anew(tmp_path: Path, change: str) -> None:
    adapter = Adapter(tmp_path, "ask")
    proposal = await adapter.proposed()
    adapter.offered = entry(**{change: "2.0.0"})
    with pytest.raises(ProposalChanged):
        await adapter.service.approve(ApproveProposal(id=proposal.id, digest=proposal.digest))
    assert adapter.changes() == []
    [anew] = (await adapter.service.proposals()).proposals
    assert anew.state == "pending"
    assert anew.digest != proposal.digest
    assert "2.0.0" in anew.shown.package
    await adapter.service.approve(ApproveProposal(id=proposal.id, digest=anew.digest))


async def test_a_digest_that_was_not_shown_approves_nothing(tmp_path: Path) -> None:
    adapter = Adapter(tmp_path, "ask")
    proposal = await adapter.proposed()
    with pytest.raises(ProposalChanged):
        await adapter.service.approve(ApproveProposal(id=proposal.id, digest="0" * 64))
    with pytest.raises(NoSuchProposal):
        await adapter.service.approve(ApproveProposal(id="p0", digest=proposal.digest))
    assert adapter.changes() == []


async def test_secrets_come_with_the_approval_and_are_kept_nowhere(tmp_path: Path) -> None:
    adapter = Adapter(tmp_path, "ask")
    adapter.offered = entry(secret=True)
    proposal = await adapter.proposed()
    with pytest.raises(SettingsInvalid):
        await adapter.service.approve(ApproveProposal(id=proposal.id, digest=proposal.digest))
    body = ApproveProposal(id=proposal.id, digest=proposal.digest, secrets={"TOKEN": SECRET})
    await adapter.service.approve(body)
    activate = next(each for each in adapter.asked if isinstance(each, Activate))
    assert activate.secrets == {"TOKEN": SECRET}
    assert SECRET not in (tmp_path / "approvals.json").read_text()
    assert SECRET not in repr(body)


async def test_limits_equal_proposals_refusals_and_expiry(tmp_path: Path) -> None:
    adapter = Adapter(tmp_path, "ask")
    first = await adapter.proposed(values={"ROOT": "/0"})
    assert (await adapter.proposed(values={"ROOT": "/0"})).id == first.id
    for number in range(1, queue.MAX_OF_PRINCIPAL):
        await adapter.proposed(values={"ROOT": f"/{number}"})
    with pytest.raises(TooManyProposals):
        await adapter.add(values={"ROOT": "/more"})
    assert (await adapter.service.refuse(RefuseProposal(id=first.id))).state == "refused"
    await adapter.proposed(values={"ROOT": "/more"})
    adapter.clock += queue.LIFETIME_SECONDS
    states = {each.state for each in (await adapter.service.proposals()).proposals}
    assert states == {"expired", "refused"}


async def test_proposals_survive_a_restart_and_tell_of_failed_activations(tmp_path: Path) -> None:
    adapter = Adapter(tmp_path, "ask")
    proposal = await adapter.proposed()
    adapter.service = adapter.restarted()
    await adapter.service.approve(ApproveProposal(id=proposal.id, digest=proposal.digest))
    adapter.jobs["j0"] = adapter.jobs["j0"].model_copy(update={"state": "failed"})
    [seen] = (await adapter.service.proposals()).proposals
    assert seen.state == "failed"
    assert (tmp_path / "approvals.json").stat().st_mode & 0o777 == 0o600


async def test_proposals_and_added_servers_follow_renames(tmp_path: Path) -> None:
    adapter = Adapter(tmp_path)
    await adapter.add()
    adapter.members["dev"].append("theirs")
    adapter.level = "ask"
    asked = [RegistryRemove(caller=EVERYBODY, workspace="dev", server=server) for server in ("notes", "theirs")]
    of_notes, of_theirs = [(await adapter.service.remove(body)).proposal for body in asked]
    adding = await adapter.proposed()
    assert of_notes is not None
    assert of_theirs is not None
    [job] = adapter.jobs
    adapter.jobs[job] = adapter.jobs[job].model_copy(update={"key": "memos"})
    adapter.members = {"lab": ["memos", "ours"], "other": []}
    adapter.service.renamed({"notes": "memos", "theirs": "ours"}, {"dev": "lab"})
    adapter.service = adapter.restarted()

    seen = {each.id: each for each in (await adapter.service.proposals()).proposals}
    now = [seen[each.id] for each in (of_notes, of_theirs, adding)]
    assert [(each.workspace, each.key) for each in now] == [("lab", "memos"), ("lab", "ours"), ("lab", "notes-2")]
    assert now[1].shown.name == "ours"
    with pytest.raises(ProposalChanged):  # what was seen is not what is approved
        await adapter.service.approve(ApproveProposal(id=of_theirs.id, digest=of_theirs.digest))
    with pytest.raises(ProposalChanged):
        await adapter.service.approve(ApproveProposal(id=adding.id, digest=adding.digest))
    for each in now[:2]:
        await adapter.service.approve(ApproveProposal(id=each.id, digest=each.digest))
    assert adapter.members["lab"] == []
    assert RemoveInstalled(key="memos") in adapter.asked  # a registry tool had added it
    anew = {each.id: each for each in (await adapter.service.proposals()).proposals}[adding.id]
    await adapter.service.approve(ApproveProposal(id=anew.id, digest=anew.digest))
    assert adapter.members["lab"] == ["notes-2"]


async def test_a_broken_file_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "approvals.json").write_text("{")
    adapter = Adapter(tmp_path, "ask")
    with pytest.raises(ApprovalsFileBroken):
        await adapter.add()
    assert (tmp_path / "approvals.json").read_text() == "{"


async def test_nobody_sees_what_others_asked_for(tmp_path: Path) -> None:
    adapter = Adapter(tmp_path, protected=True)
    proposal = await adapter.proposed(Caller(id=BOB))
    started = await adapter.add(Caller(id=ADA))
    for caller, wanted in ((ADA, proposal.id), (BOB, started.job)):
        body = ReadRegistryProgress(caller=Caller(id=caller), workspace="dev", id=wanted)
        seen = await adapter.service.progress(body)
        assert (seen.job, seen.proposal, seen.ticket) == (None, None, None)


# --- secrets --------------------------------------------------------------------------------------------------------


async def ticket_of(adapter: Adapter, caller: Caller) -> tuple[str, str]:
    """The secret in the URL of a ticket, and the ticket's id."""
    adapter.offered = entry(secret=True)
    made = await adapter.add(caller)
    assert made.outcome == "secrets_needed"
    assert adapter.changes() == []
    return made.ticket.url.rsplit("/", 1)[1], made.ticket.id


async def test_a_ticket_is_for_one_principal_once(tmp_path: Path) -> None:
    adapter = Adapter(tmp_path, protected=True)
    ticket, _ = await ticket_of(adapter, Caller(id=ADA))
    with pytest.raises(TicketInvalid):
        await adapter.service.question(ReadSecretQuestion(ticket=ticket, principal=BOB))
    question = await adapter.service.question(ReadSecretQuestion(ticket=ticket, principal=ADA))
    assert [(each.name, each.description) for each in question.secrets] == [("TOKEN", "Of the notes.")]
    values = {"TOKEN": SECRET}
    with pytest.raises(TicketInvalid):
        await adapter.service.redeem(RedeemSecretTicket(ticket=ticket, principal=BOB, values=values))
    await adapter.service.redeem(RedeemSecretTicket(ticket=ticket, principal="admin", admin=True, values=values))
    activate = next(each for each in adapter.asked if isinstance(each, Activate))
    assert activate.secrets == values
    with pytest.raises(TicketInvalid):
        await adapter.service.redeem(RedeemSecretTicket(ticket=ticket, principal=ADA, values=values))
    assert len(adapter.jobs) == 1


async def test_the_asker_follows_a_ticket_to_its_activation(tmp_path: Path) -> None:
    adapter = Adapter(tmp_path, protected=True)
    ticket, number = await ticket_of(adapter, Caller(id=ADA))
    body = ReadRegistryProgress(caller=Caller(id=ADA), workspace="dev", id=number)
    assert (await adapter.service.progress(body)).ticket == "waiting"
    await adapter.service.redeem(RedeemSecretTicket(ticket=ticket, principal=ADA, values={"TOKEN": SECRET}))
    seen = await adapter.service.progress(body)
    assert seen.ticket == "used"
    assert seen.job is not None


@pytest.mark.parametrize("values", [{}, {"TOKEN": ""}, {"TOKEN": SECRET, "PATH": "/evil"}])
async def test_other_values_than_those_asked_for_are_refused(tmp_path: Path, values: dict[str, str]) -> None:
    adapter = Adapter(tmp_path)
    ticket, _ = await ticket_of(adapter, EVERYBODY)
    with pytest.raises(SettingsInvalid):
        await adapter.service.redeem(RedeemSecretTicket(ticket=ticket, principal="", values=values))
    assert adapter.changes() == []
    await adapter.service.question(ReadSecretQuestion(ticket=ticket, principal=""))


async def test_a_ticket_ends(tmp_path: Path) -> None:
    adapter = Adapter(tmp_path)
    ticket, _ = await ticket_of(adapter, EVERYBODY)
    adapter.clock += 600
    with pytest.raises(TicketInvalid):
        await adapter.service.question(ReadSecretQuestion(ticket=ticket, principal=""))


async def test_what_changed_after_a_ticket_was_made_is_not_run(tmp_path: Path) -> None:
    adapter = Adapter(tmp_path)
    ticket, _ = await ticket_of(adapter, EVERYBODY)
    adapter.offered = entry(secret=True, program="evil-mcp")
    with pytest.raises(ProposalChanged):
        await adapter.service.redeem(RedeemSecretTicket(ticket=ticket, principal="", values={"TOKEN": SECRET}))
    assert adapter.changes() == []


async def test_a_secret_in_a_conversation_is_refused(tmp_path: Path) -> None:
    adapter = Adapter(tmp_path)
    adapter.offered = entry(secret=True)
    with pytest.raises(SecretInConversation) as refused:
        await adapter.add(values={"TOKEN": SECRET})
    assert SECRET not in str(refused.value)
    assert adapter.changes() == []
