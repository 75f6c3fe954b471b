"""Registered clients: what they may say of themselves, how many there are, and when they expire."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.credentials.records import ClientRecord
from bridge.models import FindClient, IssueCode, RegisterClient
from tests.unit.yamcp_ui_adapter.sign_in.hub import START, URI, Hub, redemption
from yamcp_ui_adapter.sign_in.clients import Clients
from yamcp_ui_adapter.sign_in.redirects import is_registered, redirect_fault, redirect_host

HOUR, DAY = 3600, 86_400
UNKNOWN = ("NO_SUCH_CLIENT", "invalid_client")
METADATA = "https://client.example/metadata.json"


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return Hub(tmp_path / "data", oauth_clients=5)


def clients(hub: Hub) -> Clients:
    return hub.sign_in._ledger.state.clients


def test_a_client_is_registered(hub: Hub) -> None:
    """It is found with what it said, also after a restart."""
    body = RegisterClient(name="Claude", redirect_uris=(URI, "cursor://mcp/cb"), uri="https://client.example")
    made = hub.ask(body)
    assert made.issued_at == START
    hub.restart()
    found = hub.ask(FindClient(id=made.id))
    assert (found.name, found.redirect_uris, found.uri) == (body.name, body.redirect_uris, body.uri)
    assert (found.at, found.used) == (START, None)
    assert hub.refusal(FindClient(id="c0000000000000000")) == UNKNOWN


def test_an_unused_registration_lasts_an_hour_and_a_used_one_months(hub: Hub) -> None:
    """A use is what a user allows it, and each refresh."""
    unused, used = hub.client(), hub.client()
    tokens = hub.tokens(used)
    hub.now += HOUR
    assert hub.refusal(FindClient(id=unused)) == UNKNOWN
    hub.now = START + 20 * DAY
    tokens = hub.refresh(tokens, used)
    hub.now += 89 * DAY
    assert hub.ask(FindClient(id=used)).used == START + 20 * DAY
    hub.sign_in.upkeep.expire()
    assert [record.id for record in clients(hub).records()] == [used]
    hub.now += DAY
    assert hub.refusal(FindClient(id=used)) == UNKNOWN
    hub.sign_in.upkeep.expire()
    assert len(clients(hub)) == 0


def test_the_oldest_unused_client_makes_room(hub: Hub) -> None:
    """Used ones stay; if all are used, a new one is refused until one expires."""
    made = []
    for _ in range(5):
        made.append(hub.client())
        hub.now += 1
    hub.code(made[0])
    assert hub.client()
    assert hub.refusal(FindClient(id=made[1])) == UNKNOWN
    assert hub.ask(FindClient(id=made[0]))
    assert hub.ask(FindClient(id=made[2]))
    for record in list(clients(hub).records()):
        hub.code(record.id)
    register = RegisterClient(name="x", redirect_uris=(URI,))
    assert hub.refusal(register) == ("TOO_MANY_CLIENTS", "temporarily_unavailable")
    hub.now += 90 * DAY
    assert hub.ask(register)
    assert len(clients(hub)) == 1


def test_ten_thousand_registrations_leave_a_bounded_journal(tmp_path: Path) -> None:
    """As anybody may send them: memory, and the file."""
    hub = Hub(tmp_path / "data", oauth_clients=100)
    hub.tokens(kept := hub.client())
    for number in range(10_000):
        hub.client(f"client {number}", f"https://{number}.example/{'x' * 500}")
        hub.now += 0.01
    assert len(clients(hub)) == 100
    assert hub.path.stat().st_size < 1.2 * (1 << 20)
    hub.restart()
    assert len(clients(hub)) == 100
    assert hub.ask(FindClient(id=kept))


def test_a_client_of_a_metadata_document_needs_no_registration(hub: Hub) -> None:
    """Its id is a URL that the front has read; if it is registered, its redirect URIs are those."""
    tokens = hub.ask(redemption(hub.code(METADATA), METADATA))
    assert hub.accepts(tokens.access_token)
    assert hub.ask(RegisterClient(id=METADATA, name="VS Code", redirect_uris=(URI,))).id == METADATA
    hub.ask(RegisterClient(id=METADATA, name="VS Code", redirect_uris=("http://127.0.0.1/",)))
    assert hub.ask(FindClient(id=METADATA)).redirect_uris == ("http://127.0.0.1/",)
    assert len(clients(hub)) == 1
    asked = {"client_name": "", "challenge": "A" * 43, "workspace": "research", "principal": "admin"}
    refused = ("CLIENT_INVALID", "invalid_request")
    assert hub.refusal(IssueCode(client=METADATA, redirect_uri=URI, **asked)) == refused
    assert hub.refusal(IssueCode(client="https://b.example", redirect_uri="javascript:x", **asked)) == refused


@pytest.mark.parametrize(
    ("uri", "fault"),
    [
        ("https://claude.ai/api/mcp/auth_callback", ""),
        ("https://client.example:8443/cb?x=1", ""),
        ("http://localhost:33418/", ""),
        ("http://127.0.0.1/cb", ""),
        ("http://[::1]:1234/cb", ""),
        ("cursor://anysphere.cursor-mcp/oauth/callback", ""),
        ("com.example.app:/cb", ""),
        ("http://client.example/cb", "http:// is for loopback addresses only"),
        ("http://127.0.0.1.evil.example/cb", "http:// is for loopback addresses only"),
        ("https://client.example/cb#x", "it has a fragment"),
        ("https://client.example/cb#", "it has a fragment"),
        ("https://user@client.example/cb", "it has a user name"),
        ("https://claude.ai\\@evil.example/cb", "it is not an absolute URI"),
        ("https:///cb", "it has no host"),
        ("https:cb", "it has no host"),
        ("javascript:alert(1)", "its scheme is javascript"),
        ("JavaScript:alert(1)", "its scheme is javascript"),
        ("data:text/html,x", "its scheme is data"),
        ("file:///etc/passwd", "its scheme is file"),
        ("/cb", "it is not an absolute URI"),
        ("", "it is not an absolute URI"),
        ("https://client.example/c b", "it is not an absolute URI"),
        ("https://client.example/\r\nSet-Cookie:x", "it is not an absolute URI"),
        ("https://clíent.example/", "it is not an absolute URI"),
        ("https://client.example:x/", "it is not an absolute URI"),
    ],
)
def test_redirect_uris(hub: Hub, uri: str, fault: str) -> None:
    """https, http on loopback, and the schemes of applications."""
    assert redirect_fault(uri) == fault
    body = RegisterClient(name="x", redirect_uris=(URI, uri))
    if fault:
        assert hub.refusal(body) == ("CLIENT_INVALID", "invalid_redirect_uri")
        assert not is_registered(uri, (uri,))
    else:
        assert hub.ask(body)
        assert is_registered(uri, (uri,))


@pytest.mark.parametrize(
    ("uri", "registered", "allowed"),
    [
        ("http://127.0.0.1:5001/cb", "http://127.0.0.1/cb", True),
        ("http://127.0.0.1:5001/cb", "http://127.0.0.1:6000/cb", True),
        ("http://localhost:5001/cb", "http://127.0.0.1/cb", False),
        ("http://127.0.0.1:5001/other", "http://127.0.0.1/cb", False),
        ("http://127.0.0.1:5001/cb?x", "http://127.0.0.1/cb", False),
        ("http://evil.example:80/cb", "http://evil.example/cb", False),
        ("https://client.example:444/cb", "https://client.example/cb", False),
        ("https://client.example/cb/", "https://client.example/cb", False),
        ("https://client.example/CB", "https://client.example/cb", False),
        ("https://client.example/cb/../evil", "https://client.example/cb", False),
        ("https://CLIENT.example/cb", "https://client.example/cb", False),
        ("cursor://b/cb", "cursor://a/cb", False),
    ],
)
def test_a_redirect_uri_is_one_that_was_registered(uri: str, registered: str, allowed: bool) -> None:
    """Exactly, but for the port of a loopback address."""
    assert is_registered(uri, (registered,)) is allowed


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("https://client.example:8443/cb", "client.example:8443"),
        ("http://127.0.0.1:5001/cb", "127.0.0.1:5001"),
        ("cursor://anysphere.cursor-mcp/cb", "cursor://anysphere.cursor-mcp"),
        ("com.example.app:/cb", "com.example.app:"),
        ("https://client.example:x/", ""),
    ],
)
def test_users_are_shown_where_tokens_go(uri: str, shown: str) -> None:
    """The host, or an application's scheme."""
    assert redirect_host(uri) == shown


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "Cla\u202eude"},
        {"name": "a\nb"},
        {"uri": "javascript:alert(1)"},
        {"id": "http://client.example/metadata"},
        {"id": "c0123456789abcdef"},
    ],
)
def test_what_else_a_client_may_not_say(hub: Hub, changes: dict[str, str]) -> None:
    """Names that deceive, addresses that are programs, ids that it chooses itself."""
    body = RegisterClient(name="x", redirect_uris=(URI,)).model_copy(update=changes)
    assert hub.refusal(body) == ("CLIENT_INVALID", "invalid_client_metadata")
    assert len(clients(hub)) == 0


def test_the_redirect_uris_of_a_client_are_bounded_together(hub: Hub) -> None:
    """Ten of the longest would be 20 kB for each anonymous request."""
    body = RegisterClient(name="x", redirect_uris=tuple(f"https://{n}.example/{'x' * 2000}" for n in range(3)))
    assert hub.refusal(body) == ("CLIENT_INVALID", "invalid_redirect_uri")


def test_a_use_is_written_once_a_day() -> None:
    """A client that refreshes each hour does not fill the journal."""
    known = Clients(1)
    known.apply(ClientRecord(id="c1", at=START, used=START))
    assert known.use("c1", START + DAY - 1) == []
    assert known.use("c1", START + DAY) == [ClientRecord(id="c1", at=START, used=START + DAY)]
    assert known.use("https://unknown.example", START) == []
