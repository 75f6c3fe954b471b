"""What a started process finds, and what is told when it cannot be started."""

import asyncio
import fcntl
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.models import StdioLaunch
from sidecar.channels.stdio import open_stdio
from sidecar.errors import CommandMissing, DirectoryMissing, ProcessRefused, SidecarError
from sidecar.spawner import client, proc
from sidecar.spawner.client import Spawner
from tests.integration.spawner.conftest import Token, eventually, open_fds

REPORT = """
import json, os, signal, sys
print(json.dumps({"jsonrpc": "2.0", "argv": sys.argv[1:], "env": dict(os.environ), "cwd": os.getcwd(),
  "leads": os.getsid(0) == os.getpid() == os.getpgid(0), "fds": sorted(os.listdir("/proc/self/fd"))[:-1],
  "ignored": [n for n in range(1, 32) if signal.getsignal(n) == signal.SIG_IGN and n not in (13, 25)],
  "blocked": len(signal.pthread_sigmask(signal.SIG_BLOCK, []))}), flush=True)
sys.stdin.read()
"""


async def report(spawner: Spawner, launch: StdioLaunch, **options: object) -> dict:
    """What a process finds around it."""
    frames: asyncio.Queue = asyncio.Queue()
    async with asyncio.timeout(100), open_stdio(spawner, launch, on_frame=frames.put_nowait, redact=str, **options):
        return await frames.get()


async def test_surroundings(spawner: Spawner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server gets its arguments, a session, three descriptors, no odd signals, and no foreign secret."""
    monkeypatch.setenv("SECRET_OF_ANOTHER", "x")
    monkeypatch.setenv("WANTED", "w")
    odd = ("a b", "$HOME", "*", "", "ünï\n")
    launch = StdioLaunch(
        command=sys.executable, args=("-S", "-c", REPORT, *odd), env={"OWN": "é=", "WANTED2": ""}, cwd=str(tmp_path)
    )
    found = await report(spawner, launch, pass_env=["WANTED"])
    assert tuple(found["argv"]) == odd
    assert found["cwd"] == str(tmp_path)
    assert found["leads"]
    assert found["fds"] == ["0", "1", "2"]
    assert (found["ignored"], found["blocked"]) == ([], 0)
    env = found["env"]
    assert (env["OWN"], env["WANTED"], env["WANTED2"]) == ("é=", "w", "")
    assert "SECRET_OF_ANOTHER" not in env
    assert re.fullmatch("[0-9a-f]{32}", env[proc.HUB_MARK])
    assert re.fullmatch("[0-9a-f]{32}", env[proc.INSTANCE_MARK])


async def test_default_directory(spawner: Spawner) -> None:
    """Without a `cwd`, a server starts where the hub is."""
    found = await report(spawner, StdioLaunch(command=sys.executable, args=("-S", "-c", REPORT)))
    assert found["cwd"] == str(Path.cwd())


async def test_path_of_server(spawner: Spawner, tmp_path: Path) -> None:
    """A command is looked up on the server's own PATH, past what cannot be executed; relative ones under its `cwd`."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a" / "tool").write_text("not for execution")
    (tmp_path / "b" / "tool").symlink_to(sys.executable)
    for command, path in (("tool", f"{tmp_path}/a:{tmp_path}/b"), ("tool", "a:b"), ("./b/tool", "")):
        env = {"PATH": path, "PYTHONHOME": sys.base_prefix}
        launch = StdioLaunch(command=command, args=("-S", "-c", REPORT), env=env, cwd=str(tmp_path))
        assert (await report(spawner, launch))["cwd"] == str(tmp_path)


@pytest.mark.parametrize(
    ("launch", "error", "text"),
    [
        ({"command": "no-such-thing"}, CommandMissing, "'no-such-thing' is not on the hub's PATH."),
        ({"command": "/no/such/thing"}, CommandMissing, "'/no/such/thing' cannot be executed: No such file"),
        ({"command": "{tmp}/plain"}, CommandMissing, "'{tmp}/plain' cannot be executed: Permission denied."),
        ({"command": "plain", "env": {"PATH": "{tmp}"}}, CommandMissing, "'{tmp}/plain' may not be executed."),
        ({"command": "{tmp}/orphan"}, CommandMissing, "the interpreter that its first line names is missing."),
        ({"command": "{tmp}/nothing"}, CommandMissing, "Exec format error"),
        ({"command": "true", "cwd": "{tmp}/none"}, DirectoryMissing, "'{tmp}/none' cannot be entered: No such file"),
        ({"command": "true", "cwd": "{tmp}/plain"}, DirectoryMissing, "Not a directory"),
        ({"command": "true", "args": ["a\0b"]}, ProcessRefused, "it holds a character that no program can be given."),
        ({"command": "true", "args": ["\ud800"]}, ProcessRefused, "it holds a character that no program can be given."),
        (
            {"command": "true", "env": {"A=B": "c"}},
            ProcessRefused,
            "it holds a character that no program can be given.",
        ),
        ({"command": "true", "args": ["x" * 200_000]}, ProcessRefused, "Argument list too long."),
    ],
)
async def test_refusals(spawner: Spawner, tmp_path: Path, launch: dict, error: type[SidecarError], text: str) -> None:
    """What cannot be started is told with what is missing, before there is a channel; no descriptor stays open."""
    (tmp_path / "plain").write_text("x")
    for name, content in (("orphan", "#!/no/interpreter\n"), ("nothing", "")):
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "nothing").write_bytes(b"\x7fnot a program")
    child = await spawner.spawn(["true"], os.environ, None, "first")
    child.abandon()
    await child.stop()
    before = open_fds()
    fill = StdioLaunch.model_validate(_filled(launch, str(tmp_path)))
    with pytest.raises(error) as caught:
        async with open_stdio(spawner, fill, on_frame=print, redact=str):
            pass
    assert text.replace("{tmp}", str(tmp_path)) in caught.value.message
    assert open_fds() == before


def _filled(value: object, tmp: str) -> object:
    if isinstance(value, dict):
        return {key: _filled(item, tmp) for key, item in value.items()}
    return value.replace("{tmp}", tmp) if isinstance(value, str) else value


async def test_no_pipes_left(spawner: Spawner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without descriptors for its pipes, a start is refused with the system's reason."""
    real, calls = os.pipe, iter([True, False])

    def pipe() -> tuple[int, int]:
        if next(calls):
            return real()
        raise OSError(24, "Too many open files")

    await spawner._ready.wait()
    monkeypatch.setattr(os, "pipe", pipe)
    with pytest.raises(ProcessRefused, match="cannot open pipes for it: Too many open files"):
        await spawner.spawn(["true"], os.environ, None, "x")


async def test_exit_status(spawner: Spawner) -> None:
    """`wait` tells the exit code, or the signal as a negative number, however often it is asked."""
    for command, status in (("exit 3", 3), ("kill -TERM $$", -15), ("exit 0", 0)):
        child = await spawner.spawn(["sh", "-c", command], os.environ, None, "x")
        assert [await child.wait(), await child.wait()] == [status, status]
        child.abandon()
        await child.stop()
        await child.stop()


async def test_large_request(spawner: Spawner) -> None:
    """Requests larger than the socket takes at once all arrive, with their own descriptors."""
    await spawner._ready.wait()
    env = {f"V{n}": "x" * 100_000 for n in range(8)} | {"PATH": os.environ["PATH"]}
    starts = [spawner.spawn(["sh", "-c", f"echo {n}"], env, None, f"i{n}") for n in range(10)]
    children = await asyncio.gather(*starts)
    for number, child in enumerate(children):
        assert await child.wait() == 0
        assert os.read(child.stdout, 100) == b"%d\n" % number
        child.abandon()
        await child.stop()


async def test_second_spawner_waits_its_turn(runtime: Path, token: Token) -> None:
    """A second sidecar on the same runtime directory starts nothing until the first one is done."""
    async with Spawner(runtime) as first:
        child = await first.spawn(["sleep", "600"], os.environ, None, "x")
        child.abandon()
        async with Spawner(runtime) as second:
            start = asyncio.create_task(second.spawn(["true"], os.environ, None, "y"))
            assert not (await asyncio.wait([start], timeout=0.1))[0]
            start.cancel()


async def test_two_slots_run_side_by_side(runtime: Path, token: Token) -> None:
    """While one sidecar takes over from another, each has its spawner, and neither ends the other's servers."""
    async with Spawner(runtime, 0) as first:
        kept = await first.spawn(["sleep", "600"], os.environ, None, "x")
        async with Spawner(runtime, 1) as second:
            (await second.spawn(["true"], os.environ, None, "y")).abandon()
        again = await first.spawn(["true"], os.environ, None, "z")
        again.abandon()
        assert proc.read(kept.pid) is not None
        kept.abandon()
        await kept.stop()


def test_stays_small(runtime: Path) -> None:
    """The spawner loads none of the large modules that it can do without."""
    large = {"asyncio", "json", "re", "typing", "pathlib", "subprocess", "threading", "logging", "inspect"}
    root = str(Path(client.__file__).parents[2])
    code = f"import sys; sys.path.insert(0, {root!r}); import sidecar.spawner.process; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-I", "-S", "-c", code], text=True).split()
    assert large & set(loaded) == set()


def test_sweep_spares_strangers(runtime: Path, token: Token) -> None:
    """Processes that carry the mark of another runtime directory are no leftovers."""
    env = {**os.environ, proc.HUB_MARK: "another", proc.INSTANCE_MARK: "x"}
    command = [sys.executable, "-S", "-c", "input()", token.text]
    with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, start_new_session=True) as process:

        async def start() -> None:
            async with Spawner(runtime) as spawner:
                (await spawner.spawn(["true"], os.environ, None, "x")).abandon()

        asyncio.run(start())
        assert process.poll() is None
        process.communicate(b"\n")


def test_lock_file_keeps_mark(runtime: Path) -> None:
    """The mark of a runtime directory stays the same from start to start, and only its owner can read it."""

    async def start() -> str:
        async with Spawner(runtime) as spawner:
            (await spawner.spawn(["true"], os.environ, None, "x")).abandon()
        return (runtime / client.LOCK_FILES[0]).read_text()

    assert asyncio.run(start()) == asyncio.run(start())
    assert (runtime / client.LOCK_FILES[0]).stat().st_mode & 0o777 == 0o600
    with (runtime / client.LOCK_FILES[0]).open() as lock:
        assert eventually(lambda: fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB) is None)
