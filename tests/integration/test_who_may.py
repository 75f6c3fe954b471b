"""Every route of the hub, for everybody who may come: nobody gets in who should not, and what is said of it is true.

The routes are those of the code's own tables: the front's API, pages, public paths and WebSocket, and the sidecar's
endpoints and pages. A route that is added is tested by being there.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from bridge.credentials.records import ACCESS, JOURNAL_FILE, TokenRecord, line_of
from bridge.keys import token_hash
from bridge.models import AddKey, EndGrant, ExplainAccess, PutAccessFile, RevokeKey, SignInUser, ViewAs
from sidecar.downstream.router import ENDPOINT_PATHS
from tests.support.grants import allowed_client
from tests.support.hub import Hub, running
from tests.support.peers import Era, Transport, client, connected
from tests.support.yamcp import ROOT, module

pytestmark = [pytest.mark.outside, pytest.mark.asyncio(loop_scope="module")]

TABLES = """
import { HUB_ROUTES, YAMCP_ROUTES, OTHER_ROUTES } from './front/server/api/routes.mjs';
import { PUBLIC_PATHS } from './front/server/access/auth.mjs';
import { Pages } from './front/server/pages/pages.mjs';
import { SIDECAR_PAGES } from './front/server/sidecar/sidecar_pages.mjs';
const routes = [...HUB_ROUTES, ...YAMCP_ROUTES, ...OTHER_ROUTES].map(({ method, path }) => [method, path]);
const pages = [...new Pages().assets.keys()].map((path) => `/hub/${path}`);
console.log(JSON.stringify({ routes, pages, open: PUBLIC_PATHS, sidecar: SIDECAR_PAGES }));
"""
"""Prints the front's tables."""
OPEN_TO_ALL = re.compile(r"/(?:account|oauth/authorize|oauth/consent|connect|secrets|api/account)(?:/|$)")
"""What everybody who has signed in may open: what is their own."""
OPEN_TO_OWNERS = re.compile(r"/(?:hub(?:/.*)?|api/hub/state|api/hub/live|api/hub/tools\?workspace=w)?")
"""What owners may open as it is; of the rest of the API they are refused what they do not own, or do not name."""
OF_OWNERS = {("GET", f"/api/hub/tools?workspace={name}") for name in ("w", "other")} | {
    ("GET", "/api/hub/servers?key=b"),
    ("GET", "/api/hub/prompts?workspace=other"),
    ("GET", "/api/hub/curation?name=other"),
    ("POST", "/api/hub/workspaces/stop?name=other"),
    ("DELETE", "/api/hub/workspaces?name=other"),
    ("DELETE", "/api/hub/servers?key=b"),
}
"""Requests for what somebody owns, or does not."""
WORKSPACES = ("w", "other", "nope")
RULES = {
    "version": 1,
    "roles": [
        {"subject": "key:boss", "role": "admin"},
        {"subject": "key:owner", "role": "owner", "workspaces": ["w"]},
    ],
    "rules": [
        {"effect": "allow", "subject": "email:ada@example.com", "workspaces": ["w"]},
        {"effect": "deny", "subject": "*", "tools": ["blob"]},
    ],
}
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}
ACCEPT = {"accept": "application/json, text/event-stream"}
ALIKE = ("user without rules", "client of a key", "client of a revoked key", "made up")
"""Those for whom the front does what it does for other clients: it does not look at their tokens."""
REFUSED = (401, 403)
TOKEN = "the-token-of-a-hub-" + secrets.token_urlsafe(32)
"""Long enough to be asked after, whatever wrong tokens have come from the same address."""


@dataclass(frozen=True)
class Who:
    """Somebody who comes with a token. `subject` is what explanations are asked for; empty: nobody that counts."""

    token: str = ""
    subject: str = ""
    audience: str = ""
    """The workspace that an access token is for; empty for keys."""
    admin: bool = False
    owner: bool = False
    ended: bool = False
    """Whether the token is no longer good."""

    @property
    def is_client(self) -> bool:
        """Whether it is an access token of an MCP client."""
        return self.token.startswith(ACCESS)


Everybody = dict[str, Who]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place() -> AsyncIterator[tuple[Hub, Everybody]]:
    """A whole hub, with rules, keys, users and their clients."""
    providers = {key: module(key, "bench.echo_server") for key in ("a", "b")}
    async with running(providers, {"w": ["a"], "other": ["b"]}, front=True, HUB_TOKEN=TOKEN) as hub:
        (hub.root / "run" / "front.key").write_text(secrets.token_urlsafe(32))  # as `hubctl run` does
        everybody = await _people(hub)
        await hub.desired.request(PutAccessFile(text=json.dumps(RULES)), timeout=100)
        await hub.wait_status(lambda status: status.settled, "settled")
        async with asyncio.timeout(100):
            while (await _usable(hub, "email:ada@example.com")) != {"w"}:  # noqa: ASYNC110 - no event tells of it
                await asyncio.sleep(0.05)
        yield hub, everybody


async def _people(hub: Hub) -> Everybody:
    ask = hub.desired.request
    keys = {
        name: await ask(AddKey(name=name, workspaces=spaces), timeout=100)
        for name, spaces in {
            "boss": None,
            "owner": None,
            "user": ("w",),
            "tenant": ("other",),
            "gone": None,
        }.items()
    }
    users = {
        name: (await ask(SignInUser(issuer="https://id.example", sub=name, name=name, email=email), timeout=100)).id
        for name, email in {"ada": "ada@example.com", "eve": "eve@example.com"}.items()
    }
    ada, elsewhere, ended = [await allowed_client(hub, users["ada"], space) for space in ("w", "other", "w")]
    of_eve, of_key, of_gone = [
        await allowed_client(hub, who) for who in (users["eve"], keys["user"].id, keys["gone"].id)
    ]
    await ask(EndGrant(id=ended.grant), timeout=100)
    await ask(RevokeKey(key="gone"), timeout=100)
    expired = ACCESS + secrets.token_urlsafe(32)
    with (hub.data_dir / JOURNAL_FILE).open("ab") as journal:
        journal.write(line_of(TokenRecord(hash=token_hash(expired), grant=ada.grant, until=time.time() - 1)))
    return {
        "nobody": Who(ended=True),
        "hub": Who(TOKEN, admin=True),
        "boss": Who(keys["boss"].token, "key:boss", admin=True),
        "owner": Who(keys["owner"].token, "key:owner", owner=True),
        "user": Who(keys["user"].token, "key:user"),
        "other tenant": Who(keys["tenant"].token, "key:tenant"),
        "ada": Who(ada.access_token, "email:ada@example.com", "w"),
        "wrong audience": Who(elsewhere.access_token, "email:ada@example.com", "other"),
        "user without rules": Who(of_eve.access_token, "email:eve@example.com", "w"),
        "client of a key": Who(of_key.access_token, "key:user", "w"),
        "expired": Who(expired, audience="w", ended=True),
        "revoked": Who(ended.access_token, audience="w", ended=True),
        "client of a revoked key": Who(of_gone.access_token, audience="w", ended=True),
        "revoked key": Who(keys["gone"].token, ended=True),
        "made up": Who(ACCESS + "x" * 43, ended=True),
    }


async def _usable(hub: Hub, subject: str) -> set[str]:
    """The workspaces that a subject may use, as is said of it."""
    view = await hub.actual.request(ViewAs(subject=subject), timeout=100)
    return {each.name for each in view.workspaces if each.usable}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tables() -> dict[str, Any]:
    """The front's tables of routes."""
    words = ("--input-type=module", "-e", TABLES)
    node = await asyncio.create_subprocess_exec("node", *words, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    output, _ = await node.communicate()
    assert node.returncode == 0
    found: dict[str, Any] = json.loads(output)
    return found


async def each(work: Iterable[Any]) -> None:
    """Do it, sixteen at once."""
    slots = asyncio.Semaphore(16)

    async def one(item: Any) -> None:
        async with slots:
            await item

    await asyncio.gather(*(one(item) for item in work))


# --- the front -------------------------------------------------------------------------------------------------------


def _is_public(tables: dict[str, Any], method: str, path: str) -> bool:
    for public, methods in tables["open"].items():
        if method in methods and (path == public or (public.endswith("*") and path.startswith(public[:-1]))):
            return True
    return False


def _front_routes(tables: dict[str, Any]) -> set[tuple[str, str]]:
    """Every route, with something in place of its parameters, and paths that are no route."""
    found = {(method, re.sub(r":\w+", "x", path)) for method, path in tables["routes"]}
    found |= {
        ("GET", path) for path in (*tables["pages"][::10], *tables["sidecar"], "/", "/hub/", "/hub/servers", "/nothing")
    }
    found |= {
        ("GET", path)
        for path in ("/account", "/api/account", "/connect/x", "/secrets/x", "/assets/app.js", "/index.html")
    }
    found |= {(method, path.replace("*", "mcp/w")) for path, methods in tables["open"].items() for method in methods}
    return (found | OF_OWNERS) - {("POST", "/login")}  # whose very purpose is to refuse


def _expected(who: Who, path: str, public: bool) -> str:
    """`in`, or the statuses with which a route is refused."""
    if who.token and who.ended and not who.is_client:
        return "401 429"  # it counts as a wrong token, wherever it comes
    if public:
        return "in"
    if who.is_client:
        return "403"
    if who.ended:
        return "401"
    if who.admin or OPEN_TO_ALL.match(path):
        return "in"
    if who.owner and OPEN_TO_OWNERS.fullmatch(path):
        return "in"
    named = "?" in path  # without parameters, it is not known of what
    return "400 403 404" if who.owner and path.startswith("/api/hub/") and not named else "403"


async def test_every_route_of_the_front(place: tuple[Hub, Everybody], tables: dict[str, Any]) -> None:
    """Who is let in by the front, at pages, API, WebSocket, and what is public."""
    hub, everybody = place
    routes = sorted(_front_routes(tables))
    assert len(routes) > 100
    wrong: list[str] = []

    async def check(http: httpx2.AsyncClient, name: str, who: Who, method: str, path: str) -> None:
        expected = _expected(who, path, _is_public(tables, method, path))
        if expected == "in" and method not in ("GET", "HEAD"):
            return  # it would be done
        if method == "WS":
            if expected == "in":
                return  # test_live has this
            upgrade = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
            reply = await http.get(hub.public + path, headers={**upgrade, "sec-websocket-key": "x" * 22 + "=="})
        else:
            reply = await http.request(method, hub.public + path)
        good = reply.status_code not in (*REFUSED, 429) if expected == "in" else str(reply.status_code) in expected
        if not good:
            wrong.append(f"{name}: {method} {path}: {reply.status_code}, not {expected}")

    for name, who in everybody.items():
        if name in ALIKE:
            continue
        async with client(who.token) as http:
            await each(check(http, name, who, method, path) for method, path in routes)
    assert not wrong, "\n".join(wrong)


async def test_owners_see_what_they_own(place: tuple[Hub, Everybody]) -> None:
    """The state that an owner gets has nothing of other workspaces, and an admin's has all."""
    hub, everybody = place
    for name, seen in (("owner", {"w"}), ("boss", {"w", "other"})):
        async with client(everybody[name].token) as http:
            state = (await http.get(f"{hub.public}/api/hub/state")).json()
        assert {each["name"] for each in state["workspaces"]} == seen


# --- endpoints -------------------------------------------------------------------------------------------------------


async def _permitted(hub: Hub, who: Who) -> set[str]:
    """The workspaces that somebody may use, as `view_as` says, at the endpoints that a token is for."""
    if who.ended:
        return set()
    found = await _usable(hub, who.subject) if who.subject else {"w", "other"}
    return found & {who.audience} if who.audience else found


async def test_every_endpoint(place: tuple[Hub, Everybody]) -> None:
    """Who is let in at the endpoints of workspaces, on both transports, and how all others are refused."""
    hub, everybody = place
    wrong: list[str] = []
    let_in = 0
    for name, who in everybody.items():
        permitted = await _permitted(hub, who)
        async with client(who.token) as http:
            for workspace in WORKSPACES:
                elsewhere = who.audience not in ("", workspace)
                refusal = (401,) if who.ended or elsewhere else (404,)
                for rest in (*sorted(ENDPOINT_PATHS), "nothing"):
                    url = f"{hub.public}/mcp/{workspace}{'/' if rest else ''}{rest}"
                    status = await _status(http, url, rest)
                    expected = refusal
                    if workspace in permitted:
                        let_in += rest in ("", "sse")
                        expected = (200,) if rest in ("", "sse") else (400, 404)
                    if status not in expected and not (status == 429 and name == "revoked key"):
                        wrong.append(f"{name}: {url}: {status}, not {expected}")
    assert not wrong, "\n".join(wrong)
    assert let_in == 2 * 10, "on two transports: hub, boss and owner at both; user, tenant, ada, the client of a key"


async def _status(http: httpx2.AsyncClient, url: str, rest: str) -> int:
    """The status of the first request to an endpoint."""
    if rest == "sse":
        async with http.stream("GET", url, headers=ACCEPT) as reply:
            return reply.status_code
    return (await http.post(url, json=INITIALIZE, headers=ACCEPT)).status_code


@pytest.mark.parametrize(
    ("transport", "era"), [("sse", "legacy"), ("sse", "modern"), ("http", "legacy"), ("http", "modern")]
)
async def test_every_tool(place: tuple[Hub, Everybody], transport: Transport, era: Era) -> None:
    """What is listed and can be called is what `explain_access` says; the rest is answered as what never was."""
    hub, everybody = place
    seen = set()
    for name, who in everybody.items():
        for workspace in await _permitted(hub, who):
            base = f"{hub.public}/mcp/{workspace}"
            prefix = {"w": "a", "other": "b"}[workspace]
            async with connected(base, transport, era, token=who.token) as peer:
                listed = {tool["name"] for tool in (await peer.request("tools/list")).result["tools"]}
                for tool in ("echo", "blob"):
                    allowed = await _explained(hub, who, workspace, tool)
                    assert (f"{prefix}_{tool}" in listed) is allowed, (name, tool)
                    called = (await peer.request("tools/call", _call(f"{prefix}_{tool}"))).answer
                    never = (await peer.request("tools/call", _call("never"))).answer
                    assert ("error" not in called) is allowed, (name, tool, called)
                    assert allowed or _without_names(called, f"{prefix}_{tool}") == _without_names(never, "never")
                    seen.add((tool, allowed))
    assert seen == {("echo", True), ("blob", True), ("blob", False)}


def _without_names(answer: dict[str, Any], tool: str) -> str:
    """An answer without the tool's name, and the ids of requests."""
    return re.sub(r"[0-9a-f]{8}-\d+", "ID", json.dumps(answer)).replace(tool, "TOOL")


def _call(name: str) -> dict[str, Any]:
    return {"name": name, "arguments": {"text": "x"} if name.endswith("echo") else {"size": 1}}


async def _explained(hub: Hub, who: Who, workspace: str, tool: str) -> bool:
    """Whether somebody may use a tool, as `explain_access` says."""
    if not who.subject:
        return True
    asked = ExplainAccess(subject=who.subject, name=tool, workspace=workspace)
    [decision] = (await hub.actual.request(asked, timeout=100)).decisions
    return decision.allowed
