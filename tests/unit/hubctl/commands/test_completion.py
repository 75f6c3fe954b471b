"""What a shell is told of words that can stand at a place."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.models import Grants, ListGrants, ListUsers, Sessions, SessionStatus, Users
from hubctl.commands import completion
from hubctl.grammar import parser
from tests.unit.hubctl.canned import CannedHub, settings
from tests.unit.hubctl.commands.test_sign_in import grant, user

pytestmark = pytest.mark.outside


async def words(hub: CannedHub, *line: str) -> list[str]:
    """What may stand in the place of the last word."""
    return await completion.candidates(hub.context(), line, parser())


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (("sta",), ["status"]),
        (("keys", ""), ["add", "list", "revoke"]),
        (("workspaces", "e"), ["edit"]),
        (("url", ""), ["idle", "my-work"]),
        (("url", "my-work", ""), []),
        (("url", "--transport", ""), ["http", "sse"]),
        (("url", "--transport", "sse", "i"), ["idle"]),
        (("url", "--js"), ["--json"]),
        (("restart", ""), ["gone", "time"]),
        (("remove", "time", "g"), ["gone"]),
        (("workspaces", "edit", "idle", "--add", "t"), ["time"]),
        (("keys", "add", "x", "--workspace", "m"), ["my-work"]),
        (("set", "time", "call"), ["call_timeout="]),
        (("call", "my-work", ""), ["time_now"]),
        (("call", "my-work", "time_now", ""), []),
        (("add", "x", "--", "n"), []),
        (("nonsense", "x"), []),
        (("enable", "--server", "ti"), ["time"]),
        (("completion", "b"), ["bash"]),
        (("sessions", ""), ["end", "idle", "my-work"]),
        (("sessions", "end", "3"), ["3f2a90c1b7de"]),
        (("sessions", "idle", ""), []),
        (("grants", ""), ["end", "list"]),
        (("grants", "end", ""), ["g0000000000000001"]),
        (("users", "end", "u0"), ["u00000000000000a"]),
    ],
)
async def test_each_place_has_its_words(hub: CannedHub, line: tuple[str, ...], expected: list[str]) -> None:
    """Commands, actions, options, their choices, and names that the hub says."""
    one = SessionStatus(id="3f2a90c1b7de", workspace="idle", transport="http", era="legacy", since=0)
    hub.sessions = Sessions(total=1, sessions=(one,))
    hub.answers = {ListGrants: Grants(grants=(grant(),)), ListUsers: Users(users=(user(),))}
    assert await words(hub, *line) == expected


async def test_without_a_hub_the_rest_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nobody waits long for it."""
    monkeypatch.setattr(completion, "ANSWER_TIMEOUT", 0.05)
    hub = CannedHub(settings(tmp_path))
    assert await words(hub, "url", "") == []
    assert await words(hub, "call", "w", "") == []
    assert await words(hub, "url", "--d") == ["--direct"]


async def test_a_word_that_a_shell_would_obey_is_not_offered(hub: CannedHub) -> None:
    """Blanks, quotes, substitutions: names come from configurations."""
    [spec, *_] = hub.desired.snapshot.servers
    specs = tuple(spec.model_copy(update={"key": key}) for key in ("a b", "$(x)", "`y`", "ok", "é-1"))
    snapshot = hub.desired.snapshot.model_copy(update={"servers": specs, "workspaces": ()})
    hub.desired = hub.desired.model_copy(update={"snapshot": snapshot})
    assert await words(hub, "restart", "") == ["ok", "é-1"]


async def test_the_command_writes_scripts_and_words(hub: CannedHub) -> None:
    """As lines, or as JSON."""
    assert "complete -o default -F _hubctl hubctl" in (await hub.hubctl("completion", "bash"))[1]
    assert json.loads((await hub.hubctl("completion", "fish", "--json"))[1])["script"].startswith("function")
    assert (await hub.hubctl("completion", "words", "--", "url", ""))[1] == "idle\nmy-work\n"
    assert json.loads((await hub.hubctl("completion", "words", "--json", "--", "url", ""))[1]) == ["idle", "my-work"]


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_the_script_works_in_its_shell(shell: str, tmp_path: Path) -> None:
    """Sourced by the shell itself, where it is installed; in bash a completion is asked for."""
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"no {shell} here")
    script = tmp_path / "script"
    script.write_text(completion.SCRIPTS[shell])
    stub = tmp_path / "hubctl"
    stub.write_text(f"#!{sys.executable}\nimport sys\nprint('\\n'.join(sys.argv[1:]))\n")
    stub.chmod(0o755)
    asks = {
        "bash": f"source {script}; COMP_WORDS=(hubctl url ''); COMP_CWORD=2; _hubctl; echo \"${{COMPREPLY[@]@Q}}\"",
        "zsh": f"autoload -U compinit && compinit -D; source {script}; whence -w _hubctl",
        "fish": f"source {script}; complete -C 'hubctl url '",
    }
    path = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run(
        [program, "-c", asks[shell]], check=False, capture_output=True, text=True, env=path, timeout=100
    )
    assert done.returncode == 0, done.stderr
    expected = {"bash": "'completion' 'words' '--' 'url' ''\n", "zsh": "_hubctl: function\n"}
    assert done.stdout == expected.get(shell, done.stdout)
    if shell == "fish":
        assert {"completion", "words", "url"} <= set(done.stdout.split())
