"""The environment of a stdio server."""

import sys
from pathlib import Path

from sidecar.spawner.environment import child_environment

OWN = str(Path(sys.executable).parent)


def test_inherits_little() -> None:
    """Only the listed variables and those asked for come from the hub; shell functions never do."""
    hub = {"HOME": "/h", "TOKEN": "t", "MORE": "m", "LANG": "() { evil; }", "PATH": "/bin"}
    assert child_environment({}, ["MORE", "ABSENT"], hub) == {"HOME": "/h", "MORE": "m", "PATH": f"/bin:{OWN}"}


def test_configured_wins() -> None:
    """What is configured for the server replaces what it would inherit, PATH included."""
    assert child_environment({"PATH": "/x", "HOME": "/y"}, (), {"PATH": "/bin", "HOME": "/h"}) == {
        "PATH": "/x",
        "HOME": "/y",
    }


def test_path_ends_with_own_directory() -> None:
    """The hub's own Python is on the PATH, once, after the user's choices; there is a PATH in any case."""
    assert child_environment({}, (), {"PATH": f"{OWN}:/bin"})["PATH"] == f"{OWN}:/bin"
    assert child_environment({}, (), {})["PATH"].endswith(f":{OWN}")


def test_environment_of_this_process() -> None:
    """Without another, the hub's environment is that of this process."""
    assert OWN in child_environment({})["PATH"]
