"""Which limits are in force, and how they and their excess are told."""

import pytest

from bridge.models import ContainerSettings, ProcessLimits, RemoteLaunch, ServerSettings, ServerSpec, StdioLaunch
from bridge.settings.limits import LimitSettings
from sidecar.limits.errors import exceeded, size
from sidecar.limits.in_force import described, enforcement_text, limits_of
from sidecar.limits.limits import MEMORY, PIDS, Limits

HUB = LimitSettings(server_memory="1g", server_pids=100, server_cpus=2, server_open_files=50)


def test_own_settings_before_the_hubs() -> None:
    """Zero of either is no limit."""
    assert limits_of(None, LimitSettings()) == Limits(pids=4096)
    assert limits_of(None, HUB) == Limits(1 << 30, 100, 2.0, 50)
    assert limits_of(ProcessLimits(memory="256m", cpus=0.5), HUB) == Limits(256 << 20, 100, 0.5, 50)
    assert limits_of(ProcessLimits(memory="0", pids=0, cpus=0, open_files=0), HUB) == Limits()


@pytest.mark.parametrize(
    ("count", "text"),
    [(256 << 20, "256 MB"), (1 << 30, "1 GB"), (1536 << 20, "1536 MB"), (5, "5 bytes"), (9 << 10, "9 kB")],
)
def test_sizes(count: int, text: str) -> None:
    """In the largest unit in which they are whole."""
    assert size(count) == text


def spec(launch: StdioLaunch | RemoteLaunch, **settings: object) -> ServerSpec:
    """A server."""
    return ServerSpec(key="a", namespace="a", launch=launch, settings=ServerSettings.model_validate(settings))


def test_described() -> None:
    """Each limit with what enforces it; nothing of servers that are no processes of the hub."""
    here = spec(StdioLaunch(command="x"))
    assert described(here, HUB, (frozenset({"memory", "pids", "cpu"}), "/g")) == (
        "memory 1 GB (control group)",
        "100 processes and threads (control group)",
        "2 processors (control group)",
        "50 open files in each process (rlimit)",
    )
    assert described(here, HUB, (frozenset(), "because")) == (
        "memory 1 GB (a watch of /proc)",
        "100 processes and threads (a watch of /proc)",
        "2 processors (only as priority 10)",
        "50 open files in each process (rlimit)",
    )
    assert described(here, LimitSettings(server_pids=0), None) == ()
    assert described(spec(RemoteLaunch(url="http://x")), HUB, None) == ()
    assert (
        described(spec(StdioLaunch(command="x"), container=ContainerSettings(image="i").model_dump()), HUB, None) == ()
    )


def test_what_enforces() -> None:
    """The control group, or why there is none."""
    assert enforcement_text(None) == ""
    assert enforcement_text((frozenset({"pids", "memory"}), "/g")) == "the control group /g (memory, pids)"
    assert enforcement_text((frozenset(), "there is none")) == "rlimits and a watch of /proc, as there is none"


def test_excess() -> None:
    """The limit that was exceeded is the error."""
    assert [exceeded(MEMORY, 1 << 20).code, exceeded(PIDS, 3).code] == ["SERVER_MEMORY_LIMIT", "SERVER_PROCESS_LIMIT"]
