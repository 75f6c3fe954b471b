"""The command that runs a container: what stands in it, and what never does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.models import ContainerSettings, Mount
from sidecar.containers import argv
from sidecar.containers.errors import VariableRefused

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,20}", fullmatch=True) | st.sampled_from(
    ["PATH", "HOME", "DOCKER_HOST", "CONTAINERS_CONF", "https_proxy", "LD_PRELOAD", "XDG_RUNTIME_DIR", "API_KEY"]
)
SECRETS = st.text(st.characters(codec="ascii", categories=("L", "N", "P")), min_size=1).map(lambda text: f"§{text}§")


def container(**changes: Any) -> argv.Container:
    """One that says nothing special."""
    settings = ContainerSettings(image="x/y:1", **changes.pop("settings", {}))
    made = {"name": "n", "hub": "h", "session": "s", "server": "k", "command": "python", "args": ("-u",), "user": None}
    return argv.Container(**{**made, "settings": settings, **changes})


@given(st.dictionaries(NAMES, SECRETS), st.sampled_from(["podman", "docker"]))
def test_no_value_of_a_variable_is_in_the_command(env: dict[str, str], kind: argv.EngineKind) -> None:
    """Each goes by name or by file, none both ways, and none that an engine reads through its environment."""
    variables = argv.variables(env)
    assert {**variables.named, **variables.filed} == env
    assert not variables.named.keys() & variables.filed.keys()
    words = argv.run(kind, container(names=tuple(variables.named), env_file="/run/e"))
    assert not [word for word in words if "§" in word]
    assert [words[at + 1] for at, word in enumerate(words) if word == "-e"] == list(variables.named)
    for name in ("PATH", "HOME", "DOCKER_HOST", "CONTAINERS_CONF", "https_proxy", "LD_PRELOAD", "XDG_RUNTIME_DIR"):
        assert name not in variables.named
    assert variables.file.count("\n") == len(variables.filed)


@given(st.text(), st.sampled_from(["podman", "docker"]), st.lists(st.text()))
def test_what_runs_inside_comes_last_and_whole(command: str, kind: argv.EngineKind, args: list[str]) -> None:
    """Options end before the image: no argument can become one of the engine's."""
    words = argv.run(kind, container(command=command, args=tuple(args)))
    assert words[len(words) - len(args) - 3 :] == ("--entrypoint", command, "x/y:1", *args)


@pytest.mark.parametrize("kind", ["podman", "docker"])
def test_it_is_held_whatever_the_settings(kind: argv.EngineKind) -> None:
    """Limits, no capabilities, no new privileges, a read-only root, no network, no log on disk, and labels."""
    words = " ".join(argv.run(kind, container(settings={"memory": "64m", "cpus": 0.25, "pids": 9})))
    for part in (
        *("run -i --rm --init --pull never --name n ", "--label yamcp-hub.hub=h ", "--label yamcp-hub.session=s "),
        *("--cap-drop all ", "--security-opt no-new-privileges ", "--read-only ", "--log-driver none "),
        *("--memory 64m --memory-swap 64m ", "--cpus 0.25 ", "--pids-limit 9 ", "--network none "),
    ):
        assert part in words, part
    open_words = " ".join(argv.run(kind, container(settings={"network": True, "workdir": "/w"}, user="1:2")))
    assert "--network" not in open_words
    assert "--user 1:2 --workdir /w " in open_words
    assert "privileged=" not in words
    assert "--privileged" not in words


def test_mounts_are_read_only_unless_said() -> None:
    """As the option of both engines has it."""
    assert argv.mount_option("/a", "/b", True) == "type=bind,source=/a,target=/b,readonly"
    assert argv.mount_option("/a", "/b", False) == "type=bind,source=/a,target=/b"
    assert Mount(source="/a", target="/b").read_only


@pytest.mark.parametrize(
    "env",
    [{"A*": "1"}, {"-v": "1"}, {"A B": "1"}, {"": "1"}, {"1": "x"}, {"HOME": "a\nB=1"}, {"PATH": "a\rb"}],
)
def test_variables_that_would_become_something_else_are_refused(env: dict[str, str]) -> None:
    """A pattern would bring in the hub's own variables, a line break another variable."""
    with pytest.raises(VariableRefused) as raised:
        argv.variables(env)
    assert not [value for value in env.values() if len(value) > 1 and value in raised.value.message]


@pytest.mark.parametrize(
    ("wanted", "image", "rootless", "user"),
    [
        (None, "", False, argv.NOBODY),
        (None, "", True, None),
        (None, "node", False, None),
        (None, "root", False, None),
        ("root", "", False, "root"),
        ("1000", "node", True, "1000"),
    ],
)
def test_root_of_the_host_has_to_be_said(wanted: str | None, image: str, rootless: bool, user: str | None) -> None:
    """An image that names nobody is not run as the host's root."""
    assert argv.user(wanted, image, rootless) == user


def test_sizes_for_people() -> None:
    """As they are spoken."""
    assert [argv.megabytes(size) for size in ("128m", "2g", "900k")] == ["128 MB", "2 GB", "900 kB"]
