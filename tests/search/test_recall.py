"""The tool search finds what people and agents ask for, among the tools of real servers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.search.recall import hub_search, missed, queries, recall, recorded
from tests.search.servers import InstalledServer, installed_servers, listed_tools, locked_packages
from tests.support.yamcp import ROOT

BARS = {"keywords": 0.95, "sentence": 0.70}
"""Recall among the first 8 that the search promises, by the form of the queries."""


@pytest.mark.parametrize("form", BARS)
def test_recall_on_the_tools_of_real_servers(form: str) -> None:
    """At least 15 servers, at least 60 queries, all of which name tools that there are."""
    lists = recorded()
    names = {f"{key}/{tool['name']}" for key, tools in lists.items() for tool in tools}
    assert len(lists) >= 15 and len(queries()) >= 60
    assert {tool for query in queries() for tool in query["tools"]} <= names
    find = hub_search(lists)
    assert recall(find, form, 8) >= BARS[form], missed(find, form, 8)


def test_a_search_that_finds_nothing_has_no_recall() -> None:
    """The measure itself can fail."""
    assert recall(lambda text, limit: [], "keywords", 8) == 0


def test_the_locks_install_the_recorded_servers(tmp_path: Path) -> None:
    """tests/search/setup.sh installs exactly the packages whose tools are recorded."""
    servers = list(installed_servers(tmp_path))
    assert {server.package for server in servers} == locked_packages()
    assert [server.key for server in servers] == list(recorded())


@pytest.mark.outside
async def test_a_server_that_tests_install_lists_what_is_recorded(tmp_path: Path) -> None:
    """mcp-server-time, which tests/real/setup.sh installs; `make search-recall` compares all 25."""
    known = next(server for server in installed_servers(tmp_path) if server.key == "time")
    command = ROOT / ".envs/smolagents/bin/mcp-server-time"
    launch = known.launch.model_copy(update={"command": str(command)})
    tools = await listed_tools(InstalledServer(known.key, known.package, launch))
    recorded_names = [tool["name"] for tool in recorded()["time"]]
    assert [tool["name"] for tool in tools] == recorded_names
