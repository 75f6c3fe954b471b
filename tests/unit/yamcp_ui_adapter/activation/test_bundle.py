"""MCP bundles: what is unpacked of one, and what of its manifest is run."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.packages import bundle
from yamcp_ui_adapter.activation.errors import EntryUnsupported, InstallFailed
from yamcp_ui_adapter.activation.install import unpack
from yamcp_ui_adapter.activation.install.bundle import ENV, install_bundle
from yamcp_ui_adapter.activation.install.package import Package
from yamcp_ui_adapter.activation.install.processes import Finished, Runner
from yamcp_ui_adapter.activation.target import Target


class InProcess(Runner):
    """Unpacks without another process."""

    async def run(self, *argv: str, cwd: Path | None = None, **variables: str) -> Finished:
        try:
            unpack.install(argv[-3], argv[-2], Path(argv[-1]))
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            return Finished(1, (str(error),))
        return Finished(0, ())


def target_for(path: Path, *variables: str) -> Target:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    declared = tuple({"name": name} for name in variables)
    return Target("mcpb", str(path), "1.0.0", local=True, sha256=digest, variables=declared)


async def installed(tmp_path: Path, target: Target) -> Package:
    return await install_bundle(
        target, tmp_path / "installed", InProcess({"PATH": str(Path(sys.executable).parent)}, 9)
    )


def server(kind: str, command: str, *args: str, **env: str) -> dict[str, Any]:
    """The `server` of a manifest."""
    return {"type": kind, "mcp_config": {"command": command, "args": [*args], "env": env}}


async def test_a_bundle_runs_what_its_manifest_says_with_values_for_what_it_refers_to(tmp_path: Path) -> None:
    """Variables that its entry declares are left to the definition, and settings without a value are left out."""
    config = {
        "root": {"type": "directory", "multiple": True, "default": ["${HOME}/a", "/b"]},
        "deep": {"type": "boolean", "default": True},
        "key": {"type": "string", "required": True},
        "odd": {"type": "string"},
    }
    words = ("server/index.js", "--depth=${user_config.deep}", "${user_config.root}", "${user_config.odd}")
    variables = {"PYTHONPATH": "${__dirname}${/}lib", "KEY": "${user_config.key}", "ODD": "${user_config.odd}"}
    path = bundle(tmp_path, user_config=config, server=server("python", "python", *words, **variables))
    package = await installed(tmp_path, target_for(path, "KEY"))
    folder = tmp_path / "installed"
    assert package.program == (
        *(ENV, f"PYTHONPATH={folder}/lib", sys.executable, f"{folder}/server/index.js"),
        *("--depth=true", f"{Path.home()}/a", "/b"),
    )
    assert package.digest == f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    assert sorted(each.name for each in folder.iterdir()) == ["manifest.json", "server"]
    with pytest.raises(EntryUnsupported, match=r"user_config\.key"):
        await installed(tmp_path / "other", target_for(path))


async def test_a_program_of_the_bundle_is_made_executable(tmp_path: Path) -> None:
    path = bundle(tmp_path, server=server("binary", "${__dirname}/server/index.js"))
    [program] = (await installed(tmp_path, target_for(path))).program
    assert os.access(program, os.X_OK)


@pytest.mark.parametrize(
    ("manifest", "why"),
    [
        ({"server": server("node", "npx", "-y", "x")}, "'npx'"),
        ({"server": server("uv", "uv")}, "'uv'"),
        ({"server": server("binary", "../../bin/sh")}, "'../../bin/sh'"),
        ({"server": server("python", "python", "${SECRET}")}, "'SECRET'"),
        ({"server": server("python", "python", X="${DESKTOP}")}, "'DESKTOP'"),
        ({"user_config": {"a": {"default": "${B}"}}, "server": server("python", "python", "${user_config.a}")}, "know"),
        ({"compatibility": {"platforms": ["darwin"]}}, "Linux"),
    ],
)
async def test_what_is_not_run(tmp_path: Path, manifest: dict[str, Any], why: str) -> None:
    """Nothing that loads more, lies elsewhere, or gets a variable of the hub."""
    with pytest.raises(EntryUnsupported, match=why):
        await installed(tmp_path, target_for(bundle(tmp_path, **manifest)))


async def test_another_digest_is_refused(tmp_path: Path) -> None:
    target = replace(target_for(bundle(tmp_path)), sha256="0" * 64)
    with pytest.raises(InstallFailed, match="not that of its entry"):
        await installed(tmp_path, target)
    assert list((tmp_path / "installed").iterdir()) == [tmp_path / "installed/.mcpb"]


def link() -> zipfile.ZipInfo:
    found = zipfile.ZipInfo("server/link")
    found.external_attr = (stat.S_IFLNK | 0o777) << 16
    return found


@pytest.mark.parametrize(
    "entry",
    ["../out", "/tmp/out", "a/../../out", "a\\..\\out", ".mcpb", link()],
    ids=["above", "absolute", "inside", "backslash", "itself", "link"],
)
def test_nothing_leads_out_of_the_folder(tmp_path: Path, entry: Any) -> None:
    path = tmp_path / "bundle.mcpb"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(entry, "../../../out")
    with pytest.raises((ValueError, FileExistsError)):
        unpack.install(str(path), hashlib.sha256(path.read_bytes()).hexdigest(), tmp_path / "a/b/c")
    assert [each.name for each in tmp_path.rglob("*out*")] == []


def test_sizes_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = bundle(tmp_path)
    for limit, most in (("MAX_BUNDLE", 10), ("MAX_UNPACKED", 100), ("MAX_FILES", 1)):
        with monkeypatch.context() as patched, pytest.raises(ValueError, match="it has over"):
            patched.setattr(unpack, limit, most)
            unpack.install(str(path), hashlib.sha256(path.read_bytes()).hexdigest(), tmp_path / limit)


def test_redirects_leave_https_for_nothing() -> None:
    with pytest.raises(ValueError, match="not https"):
        unpack.SecureRedirects().redirect_request(None, None, 302, "", None, "http://127.0.0.1/x")
