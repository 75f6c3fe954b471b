"""The documents name everything that the code has, and nothing that it has not."""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic.fields import FieldInfo

import bridge
import hubctl
import recorder
import sidecar
import yamcp_ui_adapter
from acceptor import refusals
from bridge.errors import RETRY_CODES, HubError, retry_of
from bridge.models import ServerState, WorkspaceState
from bridge.settings import Settings
from hubctl.main import parser
from sidecar.errors import SidecarError
from yamcp_ui_adapter.errors import ISSUES

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
DOCUMENTS = [*sorted(DOCS.rglob("*.md")), ROOT / "README.md", ROOT / "CHANGELOG.md"]


def rows(document: str) -> dict[str, list[str]]:
    """The tables' rows whose first cell is code, by that cell; the other cells as they are."""
    found: dict[str, list[str]] = {}
    for line in (DOCS / document).read_text("utf-8").splitlines():
        if match := re.match(r"\| `([A-Z][A-Z0-9_]+)` \|", line):
            assert match[1] not in found, f"{document} has {match[1]} twice"
            found[match[1]] = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[2:-1]]
    return found


def default_text(field: FieldInfo) -> str:
    """A default as the table writes it."""
    if isinstance(field.default, bool):
        return str(field.default).lower()
    return {"": "empty"}.get(str(field.default), str(field.default))


def test_every_setting_is_documented() -> None:
    """Each has its row in docs/configuration.md with its default, and no row is of a setting that is not there."""
    fields = {f"HUB_{name.upper()}": field for name, field in Settings.model_fields.items()}
    table = rows("configuration.md")
    assert set(table) == {*fields, "HUB_SETTINGS_FILE"}
    for name, field in fields.items():
        if field.default is not None and not field.default_factory:
            assert table[name][0] == default_text(field), name
        assert table[name][1], name


def test_the_settings_file_is_documented_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The path in the table is the one that is read."""
    from bridge.settings import settings_file

    for name in ("HUB_SETTINGS_FILE", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/me")
    assert rows("configuration.md")["HUB_SETTINGS_FILE"][0] == f"`{settings_file()}`".replace("/home/me", "~")


def subcommands() -> dict[str, argparse.ArgumentParser]:
    """hubctl's commands by name."""
    actions: list[Any] = parser()._actions
    return next(dict(action.choices) for action in actions if isinstance(action, argparse._SubParsersAction))


def arguments_of(command: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """The arguments and options of a command and of its actions, such as `workspaces edit`."""
    for action in command._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for one in action.choices.values():
                yield from arguments_of(one)


def test_every_command_is_documented() -> None:
    """docs/cli.md has a section a command that names its every argument and option, and no further section."""
    text = (DOCS / "cli.md").read_text("utf-8")
    general, *parts = re.split(r"^### `hubctl ", text, flags=re.MULTILINE)
    sections = {part.partition("`")[0]: part for part in parts}
    assert set(sections) == set(subcommands())
    for name, command in subcommands().items():
        for action in arguments_of(command):
            words = action.option_strings or [action.dest]
            for word in words:
                assert word in sections[name] or f"`{word}" in general or word == "-h", f"{name}: {word}"


def test_every_state_is_documented() -> None:
    """docs/states.md has a table of the states of a workspace and one of those of a server, each state once."""
    _, workspaces, servers = re.split(r"^## A .*$", (DOCS / "states.md").read_text("utf-8"), flags=re.MULTILINE)
    for section, kind in ((workspaces, WorkspaceState), (servers, ServerState)):
        assert sorted(re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE)) == sorted(get_args(kind))


def modules() -> Iterator[str]:
    """Every module of the packages but the programs."""
    for package in (bridge, sidecar, hubctl, yamcp_ui_adapter, recorder):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                yield module.name


def errors(kind: type[HubError] = HubError) -> Iterator[type[HubError]]:
    """The error and all that derive from it."""
    yield kind
    for derived in kind.__subclasses__():
        yield from errors(derived)


def front_errors() -> dict[str, dict[str, Any]]:
    """The front's own errors by code, as it tells of them itself."""
    script = ROOT / "front/server/errors.mjs"
    found = subprocess.run(["node", script], check=True, capture_output=True, timeout=100)
    catalogue: dict[str, dict[str, Any]] = json.loads(found.stdout)
    return catalogue


@pytest.mark.outside
def test_every_error_is_documented() -> None:
    """docs/errors.md has every code of the packages, the front and the issues, with all cells filled, and no other."""
    for module in modules():
        importlib.import_module(module)
    ours = [error for error in errors() if error.__module__.partition(".")[0] != "tests"]
    table = rows("errors.md")
    assert set(table) == {error.code for error in ours} | set(front_errors()) | set(ISSUES)
    assert not [code for code, cells in table.items() if not all(cells)]


@pytest.mark.outside
def test_every_error_says_whether_to_try_again() -> None:
    """The column *retry* is what the table in `bridge/errors.py` has, which has no other codes."""
    table = {code: cells[2] for code, cells in rows("errors.md").items() if code not in ISSUES}
    assert table == {code: retry_of(code) for code in table}
    assert frozenset().union(*RETRY_CODES.values()) <= set(table)


FRONT_HEADERS = """
import { CATALOGUE, FrontError, headersOf } from './front/server/errors.mjs';
import { statusOf } from './front/server/remote_status.mjs';
import { BridgeError } from './bridge/node/errors.mjs';
const answers = JSON.parse(process.argv[1]).map((code) => {
  const own = Object.hasOwn(CATALOGUE, code);
  const error = own ? new FrontError(code) : new BridgeError(code, 'x');
  return [code, own ? error.status : statusOf(code), Number(headersOf(error)['Retry-After'] ?? 0)];
});
process.stdout.write(JSON.stringify(answers));
"""
"""Prints, for each of the given codes, the HTTP status and the Retry-After of the front's answers with it."""


@pytest.mark.outside
def test_a_time_to_wait_is_told_where_waiting_helps() -> None:
    """HTTP 429 and 503 have Retry-After if the code is *later*, and so are all of them that sidecar and front declare.

    Every code is tried that any part of the hub answers: sidecar, acceptor and front.
    """
    for module in modules():
        importlib.import_module(module)
    answers = {("sidecar", error.code, error.status, error.retry_after) for error in errors(SidecarError)}
    answers |= {("acceptor", each.code, each.status, each.retry_after) for each in refusals.ALL}
    codes = sorted({*rows("errors.md")} - set(ISSUES) | frozenset().union(*RETRY_CODES.values()))
    script = ["node", "--input-type=module", "-e", FRONT_HEADERS, json.dumps(codes)]
    found = subprocess.run(script, cwd=ROOT, check=True, capture_output=True, timeout=100)
    answers |= {("front", *each) for each in json.loads(found.stdout)}
    own = front_errors()
    for part, code, status, seconds in answers:
        later = retry_of(code) == "later"
        told = f"{part}: {code}, {status}, Retry-After {seconds}"
        if part == "acceptor":  # it refuses before it hands a connection over, so that nothing was carried out
            assert bool(seconds) is (status == 503), told
            continue
        assert bool(seconds) is (later and status in (429, 503)), told
        if part == "sidecar" or code in own:
            assert status not in (429, 503) or later, told
    assert {code for _, code, _, seconds in answers if seconds} >= {"HUB_STOPPING", "SESSIONS_LIMIT", "LIVE_BUSY"}


@pytest.mark.outside
def test_every_error_says_what_to_do() -> None:
    """Each class has a docstring, the cause, and a hint."""
    for module in modules():
        importlib.import_module(module)
    for error in errors():
        assert error.__doc__, error
        assert error.hint, error
    for code, entry in front_errors().items():
        assert entry["cause"], code
        assert entry["hint"], code


@pytest.mark.outside
def test_front_and_sidecar_answer_endpoints_alike() -> None:
    """What either may refuse has the same code of JSON-RPC, and the same HTTP status, whoever meets it first."""
    modules = ("sidecar.errors", "sidecar.http_errors")
    for module in modules:
        importlib.import_module(module)
    sidecars = {error.code: error for error in errors() if error.__module__ in modules}
    fronts = front_errors()
    shared = set(sidecars) & set(fronts) - {"HUB_INTERNAL"}
    assert {"BODY_TOO_LARGE", "BODY_TYPE_REFUSED", "HOST_REFUSED", "TOKEN_INVALID"} <= shared
    for code in shared:
        kind = sidecars[code]
        assert fronts[code].get("rpc", -32010) == getattr(kind, "rpc_code", -32010), code
        assert fronts[code]["status"] == getattr(kind, "status", None), code


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    """What a document links to within the project is there, and so is each document that it names."""
    text = document.read_text("utf-8")
    linked = [target for target in re.findall(r"\]\(([^)#\s]+)\)", text) if "://" not in target]
    missing = [target for target in linked if not (document.parent / target).exists()]
    named = re.findall(r"(?<![\w/.])((?:docs|examples|bench|tests)/[\w/.-]+\.(?:md|py|sh|json))", text)
    missing += [target for target in named if not (ROOT / target).exists()]
    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_lines_fit(document: Path) -> None:
    """Text is wrapped at 120 characters; tables, URLs and what stands in code blocks cannot be."""
    code = False
    for number, line in enumerate(document.read_text("utf-8").splitlines(), 1):
        code ^= line.lstrip().startswith("```")
        if not code and not line.lstrip().startswith("|") and "](" not in line:
            assert len(line) <= 120, f"{document.name}:{number}"
