"""Servers with `sign_in` whose definitions take values from files, commands and the user's claims."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.keys import Principal
from bridge.models import ListUpstreamSignIns, RemoteLaunch, ServerSettings, ServerSpec
from sidecar.errors import SidecarError
from tests.integration.upstream_auth.test_sign_in import Site, refused
from tests.support.fake_server import until
from tests.support.inprocess import space, world
from tests.support.oauth_server import OAuthServer

pytestmark = pytest.mark.outside

SECRET = "s3cr3t-Zq8Vn2Xc5Rt7Yp"
PEOPLE = {
    f"u{number:015x}": Principal(f"u{number:015x}", name, claims={"sub": name, "email": f"{name}@example.com"})
    for number, name in enumerate(("ada", "grace"))
}


@pytest.fixture
async def remote() -> AsyncIterator[OAuthServer]:
    """The servers."""
    async with OAuthServer().serving() as server:
        yield server


@contextlib.asynccontextmanager
async def site(root: Path, remote: OAuthServer, sign_in: str = "user") -> AsyncIterator[Site]:
    """A hub with one server, whose URL, header and client secret are in files, and come from a command."""
    (root / "url").write_text(f"{remote.url}/mcp\n")
    (root / "key").write_text(SECRET)
    program = root / "show"
    program.write_text('#!/bin/sh\necho "shown $1"\n')
    program.chmod(0o700)
    headers = {
        "X-Key": f"Key ${{file:{root}/key}}",
        "X-Shown": f"${{cmd:{program} argument}}",
        "X-User": "${user.email}",
    }
    (root / "data").mkdir(mode=0o700)
    async with world(root / "data", secret_dirs=str(root), secret_commands=str(program)) as hub:
        hub.hub.current = lambda principal: PEOPLE.get(principal.id, principal)
        spec = ServerSpec(
            key="notes",
            namespace="notes",
            launch=RemoteLaunch(url=f"${{file:{root}/url}}", headers=headers),
            settings=ServerSettings(sign_in=sign_in),  # type: ignore[arg-type]
        )
        hub.put(spec, space("notes"))
        hub.allow({"effect": "allow", "subject": "*"})
        await hub.settled()
        yield Site(hub, remote)


async def test_every_request_has_them(tmp_path: Path, remote: OAuthServer) -> None:
    """The first one, which finds the authorization server, too. Each user's requests have that user's claim."""
    async with site(tmp_path, remote) as here:
        for user, principal in PEOPLE.items():
            await here.sign_in(user, principal.name)
        first = [headers["x-user"] for person, _, headers in remote.heads if not person]
        assert first == ["ada@example.com", "grace@example.com"]
        calls = [here.call(user=principal) for _ in range(5) for principal in PEOPLE.values()]
        assert await asyncio.gather(*calls) == ["ada", "grace"] * 5
        assert {(headers["x-key"], headers["x-shown"]) for _, _, headers in remote.heads} == {
            (f"Key {SECRET}", "shown argument")
        }
        used = {(person, headers["x-user"]) for person, _, headers in remote.heads if person}
        assert used == {("ada", "ada@example.com"), ("grace", "grace@example.com")}
        assert SECRET not in here.hub.redactor(f"the key is {SECRET}")


async def test_a_token_is_sent_to_no_other_url(tmp_path: Path, remote: OAuthServer) -> None:
    """After the file has another URL, the next connection needs another sign-in, and the list says so."""
    ada = next(iter(PEOPLE.values()))
    async with site(tmp_path, remote) as here:
        await here.sign_in(ada.id, "ada")
        assert await here.call(user=ada) == "ada"
        [upstream] = here.upstreams(ada.id)
        (tmp_path / "url").write_text(f"{remote.url}/mcp?another")
        upstream.restart()
        await until(lambda: upstream.state == "sign_in_required")
        assert upstream.reason is not None and "URL of the server has changed" in upstream.reason.message
        assert (await refused(here.call(user=ada)))["code"] == "SIGN_IN_REQUIRED"
        assert not [url for person, url, _ in remote.heads if url.endswith("another") and person]
        [shown] = (
            await here.service.listed(ListUpstreamSignIns(principal=ada.id), here.hub.hub.snapshot.servers)
        ).sign_ins
        assert (shown.signed_in, shown.reason.code) == (False, "SIGN_IN_REQUIRED")
        await here.sign_in(ada.id, "ada")
        assert await here.call(user=ada) == "ada"


async def test_shared_by_users_of_whom_the_administrator_is_none(tmp_path: Path, remote: OAuthServer) -> None:
    """An administrator, who has no claims, can sign in; the users' connections have the claims of each."""
    async with site(tmp_path, remote, "shared") as here:
        said = await remote.agree(await here.begin("admin", admin=True), "company")
        await here.finish(said, "admin")
        for principal in PEOPLE.values():
            assert await here.call(user=principal) == "company"
        users = {headers["x-user"] for person, _, headers in remote.heads if person}
        assert users == {"ada@example.com", "grace@example.com"}


async def test_what_cannot_be_read(tmp_path: Path, remote: OAuthServer) -> None:
    """A sign-in cannot begin, and the list says why; no secret is in it."""
    async with site(tmp_path, remote) as here:
        (tmp_path / "url").unlink()
        with pytest.raises(SidecarError) as raised:
            await here.begin("k0000001")
        assert raised.value.code == "SECRET_FILE_INVALID"
        [shown] = (await here.service.listed(ListUpstreamSignIns(), here.hub.hub.snapshot.servers)).sign_ins
        assert (shown.signed_in, shown.reason.code) == (False, "SECRET_FILE_INVALID")


async def test_the_secret_of_a_client_that_was_registered_by_hand(tmp_path: Path, remote: OAuthServer) -> None:
    """It may be in a file as well."""
    async with site(tmp_path, remote) as here:
        assert here.hub.hub.snapshot is not None
        [spec] = here.hub.hub.snapshot.servers
        settings = ServerSettings(
            sign_in="user", oauth_client_id="by-hand", oauth_client_secret=f"${{file:{tmp_path}/key}}"
        )
        here.hub.put(spec.model_copy(update={"settings": settings}))
        assert "client_id=by-hand" in await here.begin(next(iter(PEOPLE)))
        assert SECRET not in here.hub.redactor(f"the key is {SECRET}")
        (tmp_path / "key").unlink()
        with pytest.raises(SidecarError) as raised:
            await here.begin(next(iter(PEOPLE)))
        assert raised.value.code == "SECRET_FILE_INVALID"
