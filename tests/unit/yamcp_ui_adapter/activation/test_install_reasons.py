"""activation/install: the one line of an installer that says why it failed, and what installers are given."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from yamcp_ui_adapter.activation.install import npm, python_package
from yamcp_ui_adapter.activation.install.oci import install_image
from yamcp_ui_adapter.activation.install.processes import Finished, Runner, passed_on, shown
from yamcp_ui_adapter.activation.target import Target

NPM = """npm error code E404
npm error 404 Not Found - GET https://registry.example/x - Not found
npm error 404
npm error 404  The requested resource 'x@1.0.0' could not be found.
npm error A complete log of this run can be found in: /home/me/.npm/_logs/x.log"""
PIP = """Collecting x==9
ERROR: Could not find a version that satisfies the requirement x==9 (from versions: none)
ERROR: No matching distribution found for x==9
[notice] A new release of pip is available"""

IGNORED = "Ignored the following versions that require a different python version"


@pytest.mark.parametrize(
    ("tell", "text", "expected"),
    [
        (npm.reason, NPM, "404 Not Found - GET https://registry.example/x - Not found"),
        (npm.reason, "npm ERR! code ETARGET\nnpm ERR! notarget No matching version", "notarget No matching version"),
        (npm.reason, "npm error code EACCES", "code EACCES"),
        (npm.reason, "sh: npm: not found", "sh: npm: not found"),
        (npm.reason, "", "it ended with status 1"),
        (python_package.reason, PIP, "No matching distribution found for x==9"),
        (
            python_package.reason,
            f"ERROR: {IGNORED}: 1 Requires-Python >=4; 2 Requires-Python >=5\n{PIP}",
            "No matching distribution found for x==9 (versions of it need Python >=4; the hub runs on "
            f"{sys.version_info[0]}.{sys.version_info[1]})",
        ),
        (python_package.reason, "Traceback\nOSError: disk full", "OSError: disk full"),
    ],
)
def test_the_line_that_matters(tell: object, text: str, expected: str) -> None:
    """Neither a code alone, nor the place of a log file, nor a notice."""
    assert callable(tell)
    assert tell(Finished(1, tuple(text.splitlines()))) == expected


def test_lines_are_shown_without_credentials_and_control_characters() -> None:
    """An installer may print the URL of a registry with its user, and colours."""
    assert (
        shown("\x1b[31mGET https://me:s3cret@registry.example/x\x1b[0m\x07")
        == "GET https://********@registry.example/x"
    )
    assert len(shown("x" * 10_000)) == 500


@pytest.mark.parametrize(("engine", "checked"), [("podman", True), ("docker", False)])
async def test_an_image_is_pulled_under_the_policy(tmp_path: Path, engine: str, checked: bool) -> None:
    """By podman, which alone can check it; the entry gets the digest."""
    digest, asked = f"sha256:{'a' * 64}", []

    class Engine(Runner):
        """An engine that pulls everything."""

        async def run(self, *argv: str, cwd: Path | None = None, **variables: str) -> Finished:
            asked.append(argv[1:])
            told = ('["/serve"]', "null", f"registry.example/x@{digest}")
            return Finished(0, told if argv[1] == "image" else ())

    program = tmp_path / engine
    program.write_text("")
    program.chmod(0o755)
    target = Target("oci", "registry.example/x", "1.0")
    policy = tmp_path / "policy.json"
    package = await install_image(target, engine, policy, Engine({"PATH": str(tmp_path)}, 9))
    option = ("--signature-policy", str(policy)) if checked else ()
    assert asked[0] == ("pull", "--quiet", *option, "registry.example/x:1.0")
    assert (package.digest, package.image) == (digest, f"registry.example/x@{digest}")


def test_installers_get_nothing_secret() -> None:
    """What they need to reach a registry, what the settings pass on, and nothing else."""
    environ = {
        "PATH": "/bin",
        "HUB_TOKEN": "s",
        "GITHUB_TOKEN": "s",
        "npm_config_registry": "r",
        "https_proxy": "p",
        "MINE": "m",
        "CONTAINERS_STORAGE_CONF": "c",
        "DOCKER_PASSWORD": "s",
    }
    assert set(passed_on(environ, ("MINE",))) == {
        "CONTAINERS_STORAGE_CONF",
        "PATH",
        "npm_config_registry",
        "https_proxy",
        "MINE",
    }
