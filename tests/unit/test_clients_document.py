"""docs/clients.md shows the programs that the matrix runs, and README and console agree with it."""

from __future__ import annotations

import json
import re

import pytest

from tests.matrix.clients import CLIENTS, PROGRAMS
from tests.matrix.document import DOCUMENT, PART, configuration, written
from tests.matrix.table import HEAD, TITLES
from tests.support.yamcp import ROOT

TEXT = DOCUMENT.read_text("utf-8")


@pytest.mark.outside
def test_the_document_is_what_is_run() -> None:
    """Programs, configurations and versions are those of today: else tests/matrix/document.py says what writes them."""
    assert written(TEXT) == TEXT


def test_the_inspector_is_the_locked_one() -> None:
    """The version that its program names is the one that is installed: npx would fetch another."""
    [inspector] = (client for client in CLIENTS if client.name == "inspector")
    [(package, version)] = inspector.versions.items()
    assert re.findall(rf"{package}@(\S+)", inspector.source.read_text("utf-8")) == [version]


def test_every_client_is_shown() -> None:
    """Each program stands in the document, under a heading of its own; mcp-remote's is the console's configuration."""
    shown = {match[2] for match in PART.finditer(TEXT) if match[1] == "program"}
    assert shown == {client.program for client in CLIENTS} - {"mcp_remote_program.mjs"}
    assert {path.name for path in PROGRAMS.iterdir() if path.is_file()} == {client.program for client in CLIENTS}
    headings = re.findall(r"^## (.+)$", TEXT, re.MULTILINE)
    for client in CLIENTS:
        assert any(heading.startswith(client.title) for heading in headings), client.title


def test_the_results_are_of_every_client() -> None:
    """The table has a row for each client and transport, with the eras that the matrix expects."""
    [results] = [match[3] for match in PART.finditer(TEXT) if match[1] == "results"]
    rows = [tuple(cell.strip() for cell in line.split("|")[1:-1]) for line in results.splitlines() if "|" in line]
    assert rows[0] == HEAD
    expected = [
        (client.title, title, client.eras[transport]) for client in CLIENTS for transport, title in TITLES.items()
    ]
    assert [row[:3] for row in rows[2:]] == expected


@pytest.mark.outside
@pytest.mark.parametrize("client", ["claude-desktop", "cursor", "vscode"])
def test_the_readme_has_the_consoles_configurations(client: str) -> None:
    """Each JSON of the README is, but for its layout, what the console shows for the demo workspace."""
    readme = (ROOT / "README.md").read_text("utf-8")
    blocks = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", readme, re.DOTALL)]
    assert json.loads(configuration(client)) in blocks


@pytest.mark.parametrize(
    "place",
    [
        "README.md",
        "docs/clients.md",
        "docs/troubleshooting.md",
        "examples/README.md",
        "examples/agent.py",
        "front/console/data/snippets.mjs",
    ],
)
def test_smolagents_is_installed_by_the_line_that_is_tested(place: str) -> None:
    """Wherever it is told, it is the same; the tests' environment is made of just these requirements."""
    told = re.findall(r"pip install ('smolagents[^`\n]*?'mcp[^']*')", (ROOT / place).read_text("utf-8"))
    locked = [line for line in (ROOT / "locks/smolagents.in").read_text("utf-8").splitlines() if "server" not in line]
    assert told
    assert {" ".join(sorted(line.split())) for line in told} == {
        " ".join(f"'{line}'" for line in sorted(locked) if not line.startswith("#"))
    }
