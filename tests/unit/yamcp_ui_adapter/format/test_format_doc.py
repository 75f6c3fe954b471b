"""docs/yamcp-format.md says what the code does."""

from __future__ import annotations

import json
import re
from pathlib import Path

from pydantic.fields import FieldInfo

from bridge.models import ContainerSettings, ProcessLimits, ServerSettings
from yamcp_ui_adapter.errors import ISSUES
from yamcp_ui_adapter.format.entries import HubFile, ServersFile, WorkspaceSettings, WorkspacesFile
from yamcp_ui_adapter.format.hubfile import parse_hub
from yamcp_ui_adapter.format.providers import parse_providers
from yamcp_ui_adapter.format.workspaces import parse_workspaces

TEXT = (Path(__file__).resolve().parents[4] / "docs" / "yamcp-format.md").read_text("utf-8")


def table(after: str) -> dict[str, list[str]]:
    """The first table after a text: its rows by their first cell, without the quotes of code."""
    lines = TEXT.partition(after)[2].lstrip().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("|---"))
    rows = []
    for line in lines[start + 1 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return {row[0].strip("`"): row[1:] for row in rows}


def test_every_issue_is_in_the_table_and_no_other() -> None:
    """With its severity and cause."""
    expected = {code: [kind.severity, kind.cause] for code, kind in ISSUES.items()}
    assert table("## Everything that is reported") == expected


def test_every_issue_code_that_the_text_names_exists() -> None:
    """Nothing was renamed in one place only."""
    reported = re.findall(r"\| `([A-Z]+_[A-Z_]+)`[^|]*\|$", TEXT, re.MULTILINE)
    assert reported
    assert set(reported) <= set(ISSUES)


def default_text(field: FieldInfo) -> str:
    """A default as the tables write it."""
    if field.is_required():
        return "-"
    default = field.get_default(call_default_factory=True)
    return f"`{json.dumps(default)}`"


def test_every_setting_of_hub_json_is_in_its_table() -> None:
    """With its default."""
    tables = {
        "Settings of a server": ServerSettings,
        "Settings of a container": ContainerSettings,
        "Limits of a `stdio` server": ProcessLimits,
        "Settings of a workspace": WorkspaceSettings,
    }
    for heading, model in tables.items():
        expected = {name: default_text(field) for name, field in model.model_fields.items()}
        assert {name: cells[0] for name, cells in table(heading).items()} == expected


def test_the_examples_are_what_they_say() -> None:
    """Each is read without a word."""
    providers, workspaces, hub = re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)
    servers = parse_providers(providers.encode(), ServersFile())
    assert list(servers.entries) == ["files", "search"]
    members = parse_workspaces(workspaces.encode(), WorkspacesFile())
    settings = parse_hub(hub.encode(), HubFile())
    assert (servers.issues, members.issues, settings.issues) == ((), (), ())
    assert settings.servers["files"]["start_timeout"] == 120
