"""Secrets from files and commands: only what settings allow, never a value in an error; claims of users in headers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from bridge.models import RemoteLaunch, ServerSettings, ServerSpec, StdioLaunch
from bridge.settings import Settings
from sidecar.errors import SidecarError
from sidecar.routing.rights import process_owner
from sidecar.secret_sources import sources as secret_sources
from sidecar.secret_sources.sources import SecretSources
from sidecar.supervision.permanent_failures import permanent_after
from sidecar.upstream.variables import expand, sources_in
from tests.support.fake_server import until

pytestmark = pytest.mark.outside

SECRET = "s3cr3t-Zq8Vn2Xc5Rt7Yp"
CLAIMS = {"id": "u1", "sub": "s1", "name": "Ada Lovelace", "email": "ada@example.com"}


def header(value: str) -> RemoteLaunch:
    """A remote server with one header."""
    return RemoteLaunch(url="http://remote.example/mcp", headers={"X-Key": value})


async def refusal(sources: SecretSources, reference: str) -> SidecarError:
    """The error for a reference; no value of a secret is in it."""
    with pytest.raises(SidecarError) as raised:
        await sources.values(sources_in(header(f"${{{reference}}}")))
    assert SECRET not in str(raised.value.body())
    return raised.value


def script(path: Path, text: str) -> Path:
    """A program."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


async def test_files(tmp_path: Path) -> None:
    """The content without one line break at its end, in every place, and masked; read anew each time."""
    (tmp_path / "key").write_text(f"{SECRET}\n")
    sources, name = SecretSources([str(tmp_path)]), f"file:{tmp_path}/key"
    launch = StdioLaunch(command="x", args=(f"--key=${{{name}}}",), env={"KEY": f"<${{{name}}}>"})
    assert sources_in(launch) == (name,)
    found = expand(launch, {}, await sources.values(sources_in(launch)))
    assert isinstance(found.launch, StdioLaunch)
    assert (found.launch.args, found.launch.env) == ((f"--key={SECRET}",), {"KEY": f"<{SECRET}>"})
    assert found.secrets == {SECRET}
    (tmp_path / "key").write_text("other\n\n")
    assert await sources.values(sources_in(launch)) == {name: "other\n"}
    assert sources_in(header("$${file:/x} ${file:x} ${file:-default}")) == ()


async def test_files_that_are_not_allowed(tmp_path: Path) -> None:
    """Off without a directory; no way out by `..` or a link; no device, directory, or large file."""
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (outside / "key").write_text(SECRET)
    (inside / "link").symlink_to(outside / "key")
    (inside / "loop").symlink_to(inside / "loop")
    (inside / "large").write_text("x" * (secret_sources.MAX_BYTES + 1))
    (inside / "binary").write_bytes(b"\xff\xfe")
    (inside / "empty").write_text("\n")
    os.mkfifo(inside / "fifo")
    sources = SecretSources([str(inside)])
    assert (await refusal(SecretSources(), f"file:{outside}/key")).code == "SECRET_FILE_REFUSED"
    for name in (f"{outside}/key", f"{inside}/../out/key", f"{inside}/link", f"{inside}x/key", "/etc/passwd"):
        error = await refusal(sources, f"file:{name}")
        assert (error.code, permanent_after(error)) == ("SECRET_FILE_REFUSED", 1)
    for name in ("none", "large", "binary", "empty", "fifo", "", "loop"):
        assert (await refusal(sources, f"file:{inside}/{name}")).code == "SECRET_FILE_INVALID", name
    (inside / "within").symlink_to(inside / "real")
    (inside / "real").write_text(SECRET)
    assert list((await sources.values(sources_in(header(f"${{file:{inside}/within}}")))).values()) == [SECRET]


async def test_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The output, without a shell, and without the hub's variables except harmless ones and those in HUB_PASS_ENV."""
    program = script(tmp_path / "show", 'printf "%s|%s|%s|%s\\n" "$1" "$2" "$HUB_TOKEN" "$VAULT"')
    environ = {"PATH": os.environ["PATH"], "HUB_TOKEN": SECRET, "VAULT": "v"}
    sources = SecretSources([], [str(program)], environ, ["VAULT"])
    reference = f"cmd:{program} 'a b' $(id);x"
    assert list((await sources.values(sources_in(header(f"${{{reference}}}")))).values()) == ["a b|$(id);x||v"]
    for line in ("/bin/sh -c id", f"{program}x", f"{tmp_path}/./show", f"{program} 'open"):
        error = await refusal(sources, f"cmd:{line}")
        assert (error.code, permanent_after(error)) == ("SECRET_COMMAND_REFUSED", 1)
    assert (await refusal(SecretSources(), reference)).code == "SECRET_COMMAND_REFUSED"


async def test_commands_that_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each ends in bounded time and memory, with all that it started; its output is in no error."""
    monkeypatch.setattr(secret_sources, "COMMAND_SECONDS", 0.5)
    bodies = {
        "fails": f"echo {SECRET}; echo {SECRET} >&2; exit 3",
        "silent": "exit 0",
        "endless": f"yes {SECRET}",
        "hangs": f"echo {SECRET}; sleep 600 & echo $! > {tmp_path}/pid; wait",
        "handed-on": f"echo {SECRET}; setsid sleep 5 &",
    }
    programs = [str(script(tmp_path / name, body)) for name, body in bodies.items()] + [f"{tmp_path}/gone"]
    sources = SecretSources([], programs)
    for program in programs:
        error = await refusal(sources, f"cmd:{program}")
        assert (error.code, permanent_after(error)) == ("SECRET_COMMAND_FAILED", None), program
    child = int((tmp_path / "pid").read_text())
    await until(lambda: not _runs(child))


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_claims_in_headers() -> None:
    """Those of the user for whom the connection is; other characters than ASCII are percent-encoded."""
    launch = header("${user.email} ${user.name}; ${user.sub} ${user.id} $${user.id}")
    found = expand(launch, {}, {}, CLAIMS).launch
    assert isinstance(found, RemoteLaunch)
    assert found.headers == {"X-Key": "ada@example.com Ada Lovelace; s1 u1 ${user.id}"}
    found = expand(header("${user.name}"), {}, {}, {"name": "Zoë %"}).launch
    assert isinstance(found, RemoteLaunch) and found.headers == {"X-Key": "Zo%C3%AB %"}


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\0b", "a\x7f", "\t"])
def test_no_header_is_injected(value: str) -> None:
    """Neither by a claim, nor by a file or variable."""
    with pytest.raises(SidecarError) as raised:
        expand(header("${user.name}"), {}, {}, {"name": value})
    assert raised.value.code == "SERVER_VALUE_INVALID" and "Evil" not in raised.value.message
    if value != "\t":
        for reference in ("${file:/x}", "${V}"):
            with pytest.raises(SidecarError) as raised:
                expand(header(reference), {"V": value}, {"file:/x": value})
            assert raised.value.code == "SERVER_VALUE_INVALID"


def test_claims_that_are_missing_or_misplaced() -> None:
    """The hub's own connections and keys have none; URLs and processes cannot have any."""
    for claims in ({}, {"id": "k1"}, {"email": ""}):
        with pytest.raises(SidecarError) as raised:
            expand(header("${user.email}"), {}, {}, claims)
        assert raised.value.code == "USER_CLAIM_MISSING"
    places: tuple[Any, ...] = (
        StdioLaunch(command="x", args=("${user.id}",)),
        StdioLaunch(command="x", env={"A": "${user.id}"}),
        RemoteLaunch(url="http://x/${user.id}"),
    )
    for launch in places:
        with pytest.raises(SidecarError) as raised:
            expand(launch, {}, {}, CLAIMS)
        assert raised.value.code == "SERVER_VALUE_INVALID"


def test_such_a_server_is_never_shared() -> None:
    """Whatever `tenancy` says."""
    for tenancy in ("own", "group", "all"):
        settings = ServerSettings(tenancy=tenancy)  # type: ignore[arg-type]
        own = ServerSpec(key="a", namespace="a", launch=header("${user.id}"), settings=settings)
        assert process_owner(own, "u1", None) == "u1"
    shared = ServerSpec(key="a", namespace="a", launch=header("x"), settings=ServerSettings(tenancy="all"))
    assert process_owner(shared, "u1", None) == ""


def test_settings_are_absolute_paths() -> None:
    """A relative one would depend on where the hub was started."""
    assert Settings(secret_dirs="/run/secrets, /etc/hub").secret_dirs == "/run/secrets, /etc/hub"
    for name in ("secret_dirs", "secret_commands"):
        with pytest.raises(ValueError, match="absolute"):
            Settings(**{name: "/a,b"})  # type: ignore[arg-type]
