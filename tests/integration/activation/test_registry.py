"""What registry tools ask of a whole hub: real npm and pip, local packages, no network, and keys with few rights."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from bridge.errors import RemoteError
from bridge.models import (
    AddKey,
    Call,
    SetWorkspace,
)
from bridge.models.catalog.activation import (
    ReadInstalled,
    ReadVariables,
    RollBackInstalled,
)
from bridge.models.catalog.approvals import (
    ApproveProposal,
    Caller,
    ReadRegistryProgress,
    RedeemSecretTicket,
    RegistryAdd,
    RegistryConfigure,
    RegistryFind,
    RegistryOutcome,
    RegistryRemove,
)
from tests.integration.activation.test_activation import updated
from tests.support.hub import Hub, running
from tests.support.packages import entry, tarball, wheel

pytestmark = pytest.mark.outside

SECRET = "marked-Qm4Zx8Rt2Vk"
TOKEN = "the-token-of-a-hub-for-the-registry"
EVERYBODY = Caller(id="")
MODE = {"name": "MODE", "default": "plain"}
API_KEY = {"name": "API_KEY", "isSecret": True, "isRequired": True}
DEAD = dict.fromkeys(("http_proxy", "https_proxy", "npm_config_registry", "PIP_INDEX_URL"), "http://127.0.0.1:9")
"""No registry can be reached: what a test installs comes from files."""


def offer(hub: Hub, *entries: dict[str, Any]) -> None:
    """Write the user's own entries."""
    path = hub.data_dir / "catalog/own.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"servers": entries}))


async def added(hub: Hub, name: str, caller: Caller = EVERYBODY, **values: str) -> RegistryOutcome:
    body = RegistryAdd(caller=caller, workspace="w", name=name, values=values)
    return await hub.desired.request(body, timeout=100)


async def done(hub: Hub, number: str, caller: Caller = EVERYBODY) -> str:
    """The key of the server that a job or ticket adds, once it is there."""
    while True:
        body = ReadRegistryProgress(caller=caller, workspace="w", id=number)
        job = (await hub.desired.request(body)).job
        if job is not None and job.ended is not None:
            assert job.state == "done", job
            return job.key
        await asyncio.sleep(0.02)


async def called(hub: Hub, tool: str, **arguments: str) -> str:
    result = await hub.actual.request(Call(workspace="w", tool=tool, arguments=arguments), timeout=100)
    text: str = result.result["content"][0]["text"]
    return text


async def says(hub: Hub, tool: str, wanted: str, **arguments: str) -> None:
    """Wait until a tool answers this: a changed server is started again."""
    async with asyncio.timeout(100):
        while await called(hub, tool, **arguments) != wanted:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.05)


def files_with(folder: Path, text: str) -> set[str]:
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {str(path.relative_to(folder)) for path in files if text.encode() in path.read_bytes()}


async def configured(hub: Hub, server: str, *secrets: str, **values: str) -> None:
    """Change settings of a server; secrets get the marked value."""
    body = RegistryConfigure(caller=EVERYBODY, workspace="w", server=server, values=values, secrets=secrets)
    made = await hub.desired.request(body)
    if secrets:
        assert made.ticket is not None
        secret = made.ticket.url.rsplit("/", 1)[1]
        entered = RedeemSecretTicket(ticket=secret, principal="", values=dict.fromkeys(secrets, SECRET))
        await hub.desired.request(entered)
    else:
        assert made.outcome == "done"


@pytest.mark.parametrize("build", [tarball, wheel])
async def test_found_added_called_configured_updated_removed(tmp_path: Path, build: Any) -> None:
    """It is there when the job is done; settings survive an update and the way back; afterwards nothing is left."""
    async with running({}, {"w": []}, **DEAD) as hub:
        news = {"name": "NEWS", "default": "of version 2"}
        inputs = [MODE, {**API_KEY, "isRequired": False}]
        first, second = (
            entry(build(tmp_path, version=version), "io.example/packed", environmentVariables=more)
            for version, more in {"1.0.0": inputs, "2.0.0": [*inputs, news]}.items()
        )
        first["version"] = "2026.11"  # which is not that of the package
        offer(hub, first)
        await hub.desired.request(SetWorkspace(name="w", registry="add"))
        found = await hub.desired.request(RegistryFind(caller=EVERYBODY, workspace="w", text="packed"))
        assert [(each.name, [one.name for one in each.inputs]) for each in found.entries] == [
            ("io.example/packed", ["MODE", "API_KEY"])
        ]
        key = await done(hub, (await added(hub, "io.example/packed")).job)
        assert await called(hub, f"{key}_greet") == "hello from 1.0.0"
        await configured(hub, key, MODE="fancy")
        await configured(hub, key, "API_KEY")
        await says(hub, f"{key}_env", SECRET, name="API_KEY")
        assert await called(hub, f"{key}_env", name="MODE") == "fancy"

        offer(hub, first, {**second, "version": "2026.12"})
        assert (await updated(hub, key)).state == "done"
        expected = {"MODE": "fancy", "API_KEY": SECRET, "NEWS": "of version 2"}
        assert {name: await called(hub, f"{key}_env", name=name) for name in expected} == expected
        assert await called(hub, f"{key}_greet") == "hello from 2.0.0"
        await configured(hub, key, MODE="plainer", NEWS="changed")
        await says(hub, f"{key}_env", "plainer", name="MODE")
        assert await called(hub, f"{key}_env", name="NEWS") == "changed"

        await hub.desired.request(RollBackInstalled(key=key), timeout=100)
        await says(hub, f"{key}_greet", "hello from 1.0.0")
        expected = {"MODE": "plainer", "API_KEY": SECRET}
        assert {name: await called(hub, f"{key}_env", name=name) for name in expected} == expected
        await hub.desired.request(RollBackInstalled(key=key), timeout=100)
        await says(hub, f"{key}_greet", "hello from 2.0.0")
        assert await called(hub, f"{key}_env", name="NEWS") == "changed"
        assert files_with(hub.root, SECRET) == {"data/variables.json"}
        gone = await hub.desired.request(RegistryRemove(caller=EVERYBODY, workspace="w", server=key), timeout=100)
        assert gone.uninstalled
        assert (await hub.desired.request(ReadInstalled())).servers == ()
        assert json.loads((hub.root / "yamcp/providers.json").read_text()) == {}
        assert [path for path in (hub.data_dir / "servers").iterdir() if path.is_dir()] == []


async def test_a_key_without_rights_starts_and_writes_nothing(tmp_path: Path) -> None:
    """It only proposes; the administrator's approval, with the secret, runs it; the secret is in one file."""
    async with running({}, {"w": []}, HUB_TOKEN=TOKEN, **DEAD) as hub:
        offer(hub, entry(tarball(tmp_path), "io.example/packed", environmentVariables=[API_KEY]))
        await hub.desired.request(SetWorkspace(name="w", registry="add"))
        key = await hub.desired.request(AddKey(name="bob", workspaces=("w",)))
        bob = Caller(id=key.id, name="bob")
        providers = hub.root / "yamcp/providers.json"
        before = providers.read_bytes(), sorted(psutil.Process().children(recursive=True), key=lambda one: one.pid)
        made = await added(hub, "io.example/packed", bob)
        assert made.outcome == "proposed"
        assert made.proposal is not None
        after = providers.read_bytes(), sorted(psutil.Process().children(recursive=True), key=lambda one: one.pid)
        assert after == before
        assert not (hub.data_dir / "servers").exists() or list((hub.data_dir / "servers").iterdir()) == []
        assert (await hub.desired.request(ReadVariables())).variables == ()
        proposal = made.proposal
        approve = ApproveProposal(id=proposal.id, digest=proposal.digest, secrets={"API_KEY": SECRET})
        approved = await hub.desired.request(approve, timeout=100)
        server = await done(hub, approved.job, bob)
        assert await called(hub, f"{server}_env", name="API_KEY") == SECRET
        assert files_with(hub.root, SECRET) == {"data/variables.json"}


async def test_a_replaced_file_is_not_run_by_an_earlier_proposal(tmp_path: Path) -> None:
    async with running({}, {"w": []}, **DEAD) as hub:
        path = tarball(tmp_path)
        offer(hub, entry(path, "io.example/packed"))
        await hub.desired.request(SetWorkspace(name="w", registry="ask"))
        proposal = (await added(hub, "io.example/packed")).proposal
        assert proposal is not None
        tarball(tmp_path, description="another content of the same file")
        with pytest.raises(RemoteError) as refused:
            await hub.desired.request(ApproveProposal(id=proposal.id, digest=proposal.digest), timeout=100)
        assert refused.value.body().code == "PROPOSAL_CHANGED"
        assert (await hub.desired.request(ReadInstalled())).servers == ()


async def test_secrets_are_entered_on_a_page_that_needs_no_script(tmp_path: Path) -> None:
    """The page takes the values once, from a page of the hub, and the activation goes on."""
    async with running({}, {"w": []}, front=True, **DEAD) as hub:
        offer(hub, entry(tarball(tmp_path), "io.example/packed", environmentVariables=[API_KEY]))
        await hub.desired.request(SetWorkspace(name="w", registry="add"))
        made = await added(hub, "io.example/packed")
        assert made.ticket is not None
        path = "/secrets/" + made.ticket.url.rsplit("/", 1)[1]
        async with httpx2.AsyncClient(timeout=100, base_url=hub.public) as http:
            page = await http.get(path)
            assert page.status_code == 200
            assert "<script" not in page.text
            [field] = re.findall(r'type="password" id="[^"]*" name="([^"]*)"', page.text)
            foreign = {"Origin": "http://evil.example"}
            cross = {"Origin": hub.public, "Sec-Fetch-Site": "cross-site"}
            for origin in ({}, foreign, cross):
                assert (await http.post(path, data={field: SECRET}, headers=origin)).status_code == 403
            sent = await http.post(path, data={field: SECRET}, headers={"Origin": hub.public})
            assert sent.status_code == 200
            again = await http.post(path, data={field: SECRET}, headers={"Origin": hub.public})
            assert again.status_code == 403
            assert SECRET not in page.text + sent.text + again.text
        key = await done(hub, made.ticket.id)
        assert await called(hub, f"{key}_env", name="API_KEY") == SECRET
        gone = await hub.desired.request(RegistryRemove(caller=EVERYBODY, workspace="w", server=key), timeout=100)
        assert gone.uninstalled
        assert files_with(hub.root, SECRET) == set()
