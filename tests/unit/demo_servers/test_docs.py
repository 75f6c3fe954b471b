"""The page on the mock server is complete."""

from __future__ import annotations

import re
from pathlib import Path

from demo_servers.mock.server import parse
from tests.unit.demo_servers.test_stdio_server import mock

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "mock-server.md").read_text()


def test_every_flag_and_tool_is_on_the_page() -> None:
    """docs/mock-server.md names each flag, tool, resource and prompt, and no flag that is not there."""
    named = {flag.removeprefix("--").replace("-", "_") for flag in re.findall(r"^\| `(--[a-z-]+)", PAGE, re.MULTILINE)}
    assert named == set(vars(parse([])))
    server = mock()
    missing = [name for name in (*server.tools, *server.prompts) if f"`{name}`" not in PAGE]
    missing += [uri for uri in (*server.resources, *server.templates) if f"`{uri}`" not in PAGE]
    assert not missing
