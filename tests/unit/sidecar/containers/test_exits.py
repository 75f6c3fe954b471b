"""What is told of a contained server's end."""

from __future__ import annotations

import pytest

from bridge.models import ContainerSettings
from sidecar.containers.exits import explain

SETTINGS = ContainerSettings(image="x", memory="128m")
PODMAN = "Error: runc: runc create failed: exec: nope: executable file not found in $PATH"
DOCKER = "docker: Error response from daemon: exec: nope: executable file not found in $PATH"
CATATONIT = "ERROR (catatonit:2): failed to exec pid1: No such file or directory"
TINI = "[FATAL tini (7)] exec nope failed: No such file or directory"
DENIED = "Error: permission denied while trying to connect"


@pytest.mark.parametrize(
    ("end", "stderr", "went_over", "code", "words"),
    [
        (137, "", True, "CONTAINER_OOM", "It died: over its memory limit of 128 MB."),
        (1, "Killed", True, "CONTAINER_OOM", "It died: over its memory limit of 128 MB."),
        (137, "", False, "CONTAINER_OOM", "most likely over its memory limit of 128 MB."),
        (125, DENIED, False, "ENGINE_REFUSED", "permission denied while trying to connect."),
        (127, PODMAN, False, "SERVER_COMMAND_MISSING", "executable file not found"),
        (127, DOCKER, False, "SERVER_COMMAND_MISSING", "executable file not found"),
        (1, CATATONIT, False, "SERVER_COMMAND_MISSING", "No such file or directory"),
        (127, TINI, False, "SERVER_COMMAND_MISSING", "No such file or directory"),
    ],
)
def test_the_reason_is_found(end: int, stderr: str, went_over: bool, code: str, words: str) -> None:
    """From the exit code, the kernel's word, and what engine or init wrote."""
    reason = explain(end, ("first line", stderr), SETTINGS, "nope", went_over)
    assert reason
    assert reason.code == code
    assert words in reason.message
    assert reason.advice


@pytest.mark.parametrize("end", [0, 1, 3, 125, 127, -15])
def test_the_server_s_own_end_is_left_to_others(end: int) -> None:
    """Its own exit codes mean what they mean to it; memory is no reason for a good end."""
    assert explain(end, ("Traceback …",), SETTINGS, "nope", went_over=False) is None
    assert explain(0, (), SETTINGS, "nope", went_over=True) is None
