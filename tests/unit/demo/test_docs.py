"""The page on the mock server is complete."""

from __future__ import annotations

import re
from pathlib import Path

from tests.unit.demo.test_mcp_stdio import mock
from yamcp_ui_adapter.demo.mock import parse

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "mock-server.md").read_text()


def test_every_flag_and_tool_is_on_the_page() -> None:
    """docs/mock-server.md names each flag, tool, resource and prompt, and no flag that is not there."""
    named = {flag.removeprefix("--").replace("-", "_") for flag in re.findall(r"^\| `(--[a-z-]+)", PAGE, re.MULTILINE)}
    assert named == set(vars(parse([])))
    server = mock()
    missing = [name for name in (*server.tools, *server.prompts) if f"`{name}`" not in PAGE]
    missing += [uri for uri in (*server.resources, *server.templates) if f"`{uri}`" not in PAGE]
    assert not missing
