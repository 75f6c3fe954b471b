"""`hubctl connect`: each client's own file gets the workspace, keeps everything else, and is restored exactly.

The files in `files/` are of our own making, in each client's form: comments, trailing commas, tabs, CRLF, a BOM.
"""

from __future__ import annotations

import json
import stat
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from bridge.models import AddKey, Key, RevokeKey
from bridge.settings import Settings
from hubctl.connect.clients import CLIENTS, client_with_file
from hubctl.run.node import CLI
from tests.unit.hubctl.canned import CannedHub

pytestmark = pytest.mark.outside

FILES = {path.stem: path for path in (Path(__file__).parent / "files").iterdir()}
URL = "http://127.0.0.1:8765/mcp/my-work"
ENTRIES: dict[str, dict[str, Any]] = {
    "claude-code": {"type": "http", "url": URL},
    "claude-desktop": {"command": "npx", "args": ["-y", "mcp-remote", URL]},
    "cursor": {"url": URL},
    "vscode": {"type": "http", "url": URL},
    "codex": {"url": URL},
    "gemini-cli": {"httpUrl": URL},
    "windsurf": {"serverUrl": URL},
    "cline": {"type": "streamableHttp", "url": URL},
    "zed": {"url": URL},
}
AT = {"vscode": "servers", "codex": "mcp_servers", "zed": "context_servers"}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory, and the canned hub counts as one that runs."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr("hubctl.grammar.running", lambda _: True)
    monkeypatch.setattr("sys.platform", "linux")
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def parsed(client: str, text: str) -> dict[str, Any]:
    """What a file says: as TOML, or as JSON read by another program than the one that wrote it."""
    if client == "codex":
        return tomllib.loads(text)
    found: dict[str, Any] = json.loads(without_comments(text.removeprefix("\ufeff")))
    return found


def without_comments(text: str) -> str:
    """JSON of JSON with comments and trailing commas; enough for these files, whose texts hold neither sign."""
    lines = [line.partition("// ")[0] if not line.strip().startswith("//") else "" for line in text.splitlines()]
    plain = "\n".join(line.partition("/*")[0] + line.partition("*/")[2] for line in lines)
    for end in "]}":
        parts = plain.split(end)
        plain = end.join(
            [part.rstrip().removesuffix(",") if n < len(parts) - 1 else part for n, part in enumerate(parts)]
        )
    return plain


async def placed(client: str, home: Path) -> Path:
    """The client's file with what is in the fixture, in the place where the client has it."""
    found = await client_with_file(client)
    assert found
    path = found.file(home, None)
    assert path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(FILES[client].read_bytes())
    path.chmod(0o640)
    return path


@pytest.mark.parametrize("client", sorted(ENTRIES))
async def test_a_round_trip(hub: CannedHub, home: Path, client: str) -> None:
    """The diff is shown; written once; everything else as it was; undone to the byte."""
    path = await placed(client, home)
    original = path.read_bytes()
    code, out, err = await hub.hubctl("connect", client, "My Work", "--yes")
    assert (code, err) == (0, "")
    assert any(line.startswith("+") and URL in line for line in out.splitlines())
    assert f"hubctl connect {client} my-work --undo" in out
    written = path.read_bytes().decode()
    expected = parsed(client, original.decode())
    expected.setdefault(AT.get(client, "mcpServers"), {})["my-work"] = ENTRIES[client]
    assert parsed(client, written) == expected
    assert kept(original.decode(), written)
    assert written.count("\r\n") in (0, written.count("\n"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o640

    code, out, _ = await hub.hubctl("connect", client, "my-work", "--json")
    assert (code, json.loads(out)["outcome"]) == (0, "unchanged")
    assert path.read_bytes().decode() == written
    assert (await hub.hubctl("connect", client, "my-work", "--undo"))[0] == 0
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (original, 0o640)
    code, _, err = await hub.hubctl("connect", client, "my-work", "--undo")
    assert (code, err.partition(":")[0]) == (1, "CLIENT_NOT_CONNECTED")


def files_below(directory: Path) -> list[Path]:
    """All files and directories in it."""
    return list(directory.rglob("*"))


def kept(before: str, after: str) -> bool:
    """Whether all of the text stays, in order; but for commas, braces and blanks, which have to move."""
    rest = iter(after)
    return all(sign in rest for sign in before if sign not in ",{}" and not sign.isspace())


@pytest.mark.parametrize("client", sorted(ENTRIES))
async def test_a_file_that_was_not_there_is_gone_again(hub: CannedHub, home: Path, client: str) -> None:
    """With the directories that were made for it; in a protected hub, with a key in it that is made once."""
    hub.settings = Settings(**{**hub.settings.model_dump(exclude_none=True), "token": "0123456789abcdef"})
    found = await client_with_file(client)
    assert found
    path = found.file(home, None)
    assert path
    for outcome in ("written", "unchanged"):
        code, out, _ = await hub.hubctl("connect", client, "my-work", "--yes", "--json")
        assert (code, json.loads(out)["outcome"]) == (0, outcome)
        hub.keys = (Key(id="k1a2b3c4", name=f"{client} my-work", workspaces=("My Work",), admin=False, created=0),)
    assert hub.asked == [AddKey(name=f"{client} my-work", workspaces=("My Work",))]
    said = parsed(client, path.read_text())
    assert said == {AT.get(client, "mcpServers"): {"my-work": {**ENTRIES[client], **with_token(client)}}}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (await hub.hubctl("connect", client, "my-work", "--undo"))[0] == 0
    assert (files_below(home), hub.asked[1:]) == ([], [RevokeKey(key="k1a2b3c4")])


def with_token(client: str) -> dict[str, Any]:
    """What an entry has more, or otherwise, where there is a key."""
    value = f"Bearer yh_k1a2b3c4_{'x' * 43}"
    if client == "claude-desktop":
        arguments = [*ENTRIES[client]["args"], "--header", "Authorization:${AUTH_HEADER}"]
        return {"args": arguments, "env": {"AUTH_HEADER": value}}
    return {"http_headers" if client == "codex" else "headers": {"Authorization": value}}


async def test_of_a_file_that_was_changed_since_the_entry_alone_is_removed(hub: CannedHub, home: Path) -> None:
    """Two workspaces in one file, say, or a client that writes its file all the time."""
    path = await placed("cursor", home)
    before = parsed("cursor", path.read_text())
    for name in ("my-work", "idle"):
        await hub.hubctl("connect", "cursor", name, "--yes")
    code, out, _ = await hub.hubctl("connect", "cursor", "my-work", "--undo")
    assert (code, "only the workspace's entry was removed" in out) == (0, True)
    assert list(parsed("cursor", path.read_text())["mcpServers"]) == ["github", "idle"]
    await hub.hubctl("connect", "cursor", "idle", "--undo")
    assert parsed("cursor", path.read_text()) == before


@pytest.mark.parametrize(
    ("client", "text", "why"),
    [
        ("cursor", b'{"mcpServers": ', "The file is not valid JSON: "),
        ("cursor", b"\xff\xfe{}", "is not text in UTF-8"),
        ("codex", b'mcp_servers = { my-work = { command = "x" } }', "in a form that hubctl cannot change"),
    ],
)
async def test_a_file_that_cannot_be_changed_stays(
    hub: CannedHub, home: Path, client: str, text: bytes, why: str
) -> None:
    """With why, and nothing is remembered."""
    path = await placed(client, home)
    path.write_bytes(text)
    code, _, err = await hub.hubctl("connect", client, "my-work", "--yes")
    assert (code, err.partition(":")[0]) == (1, "CLIENT_FILE_UNUSABLE")
    assert why in err
    assert path.read_bytes() == text
    assert not (hub.settings.data_dir / "connect").exists()


async def test_without_a_yes_nothing_is_written(hub: CannedHub, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a script it has to be said; at a terminal it is asked for."""
    path = await placed("cursor", home)
    original = path.read_bytes()
    code, out, _ = await hub.hubctl("connect", "cursor", "my-work")
    assert (code, out.splitlines()[-1]) == (1, "Nothing was written; with --yes it is.")
    for answer, expected in (("n\n", 1), ("\n", 1), ("y\n", 0)):
        assert path.read_bytes() == original
        monkeypatch.setattr("sys.stdin", terminal(answer))
        code, out, err = await hub.hubctl("connect", "cursor", "my-work")
        assert (code, err) == (expected, f"Write this to {path}? [y/N] ")
    assert URL in path.read_text()


def terminal(answer: str) -> Any:
    """A stdin at which somebody answers."""

    class Terminal:
        def isatty(self) -> bool:
            return True

        def readline(self) -> str:
            return answer

    return Terminal()


async def test_a_protected_hub_makes_a_key_for_the_client(hub: CannedHub, home: Path) -> None:
    """For the workspace alone; not before somebody agrees, not twice, and revoked when it is undone."""
    hub.settings = Settings(**{**hub.settings.model_dump(exclude_none=True), "token": "0123456789abcdef"})
    path = await placed("cursor", home)
    original = path.read_bytes()
    code, out, _ = await hub.hubctl("connect", "cursor", "my-work", "--dry-run")
    assert (code, hub.asked) == (0, [])
    assert '"Authorization": "Bearer ********"' in out
    token = "yh_k1a2b3c4_" + "x" * 43
    code, out, _ = await hub.hubctl("connect", "cursor", "my-work", "--yes")
    assert hub.asked == [AddKey(name="cursor my-work", workspaces=("My Work",))]
    assert "A key for it was made: k1a2b3c4." in out
    assert token not in out
    entry = {"url": URL, "headers": {"Authorization": f"Bearer {token}"}}
    assert json.loads(path.read_text())["mcpServers"]["my-work"] == entry
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

    hub.keys = (Key(id="k1a2b3c4", name="cursor my-work", workspaces=("My Work",), admin=False, created=0),)
    assert "nothing to change" in (await hub.hubctl("connect", "cursor", "my-work", "--yes"))[1]
    assert len(hub.asked) == 1
    code, out, _ = await hub.hubctl("connect", "cursor", "my-work", "--undo")
    assert (code, out) == (0, f"{path} is as it was before. Its key is revoked.\n")
    assert (path.read_bytes(), hub.asked[-1]) == (original, RevokeKey(key="k1a2b3c4"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


async def test_a_token_of_ones_own_is_taken(hub: CannedHub, home: Path) -> None:
    """No key is made then."""
    hub.settings = Settings(**{**hub.settings.model_dump(exclude_none=True), "token": "0123456789abcdef"})
    path, file = await placed("codex", home), home / "token"
    file.write_text("a-token-of-my-own-1234\n")
    code, _, _ = await hub.hubctl("connect", "codex", "my-work", "--yes", "--token-file", str(file))
    headers = tomllib.loads(path.read_text())["mcp_servers"]["my-work"]["http_headers"]
    assert (code, headers, hub.asked) == (0, {"Authorization": "Bearer a-token-of-my-own-1234"}, [])


async def test_a_project_has_a_file_of_its_own(hub: CannedHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the client has one; or any file that is named."""
    monkeypatch.chdir(tmp_path)
    await hub.hubctl("connect", "claude-code", "my-work", "--project", "--yes")
    assert json.loads((tmp_path / ".mcp.json").read_text()) == {"mcpServers": {"my-work": ENTRIES["claude-code"]}}
    code, _, err = await hub.hubctl("connect", "windsurf", "my-work", "--project")
    assert (code, err.partition(". ")[0]) == (2, "CLI_ARGUMENTS: Windsurf has no file for a project")
    await hub.hubctl("connect", "zed", "my-work", "--file", "other.json", "--yes")
    assert json.loads((tmp_path / "other.json").read_text()) == {"context_servers": {"my-work": ENTRIES["zed"]}}


@pytest.mark.parametrize("protected", [False, True])
@pytest.mark.parametrize("client", sorted(set(CLIENTS) - set(ENTRIES)))
async def test_other_clients_are_told_what_to_do(hub: CannedHub, client: str, protected: bool, home: Path) -> None:
    """With the URL, and where a token goes; Python is Python, and nothing is written."""
    if protected:
        hub.settings = Settings(**{**hub.settings.model_dump(exclude_none=True), "token": "0123456789abcdef"})
    code, out, err = await hub.hubctl("connect", client, "my-work")
    assert (code, URL in out, hub.asked) == (0, True, [])
    assert ("YAMCP_HUB_TOKEN" in out + err or "YOUR_TOKEN" in out) is protected
    if client in ("smolagents", "langchain", "openai-agents", "pydantic-ai"):
        compile(out, client, "exec")
    assert files_below(home) == []
    code, _, err = await hub.hubctl("connect", client, "my-work", "--undo")
    assert (code, err.partition(":")[0]) == (2, "CLI_ARGUMENTS")


async def test_in_a_container_and_with_print_nothing_is_written(
    hub: CannedHub, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client's files are not in there."""
    code, out, err = await hub.hubctl("connect", "cursor", "my-work", "--print")
    assert (code, json.loads(out)) == (0, {"mcpServers": {"my-work": ENTRIES["cursor"]}})
    assert err == "In .cursor/mcp.json.\n"
    monkeypatch.setenv("YAMCP_HUB_IMAGE", "true")
    assert (await hub.hubctl("connect", "cursor", "my-work", "--yes"))[1] == out
    assert files_below(home) == []


def test_the_clients_are_those_of_the_table() -> None:
    """Which hubctl does not read before it is asked to connect one."""
    script = (
        "import { FILE_CLIENTS } from './console/data/clients.mjs';"
        "import { PROGRAMS } from './console/data/programs.mjs';"
        "console.log(JSON.stringify([FILE_CLIENTS.map(({ id }) => id), Object.keys(PROGRAMS)]))"
    )
    said = subprocess.run(
        ["node", "--input-type=module", "-e", script], check=True, capture_output=True, cwd=CLI.parent, timeout=100
    )
    files, programs = json.loads(said.stdout)
    assert sorted(files) == sorted(ENTRIES)
    assert sorted(CLIENTS) == sorted([*files, *programs, "smolagents"])
