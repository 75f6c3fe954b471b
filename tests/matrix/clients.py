"""The clients of the matrix: the program that each is tested with, and what it can do."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tests.support.peers import Era, Transport
from tests.support.yamcp import ROOT

Step = Literal["connect", "list", "call", "resource", "prompt"]
STEPS: tuple[Step, ...] = ("connect", "list", "call", "resource", "prompt")
TRANSPORTS: tuple[Transport, ...] = ("http", "sse")
HERE = ROOT / "tests/matrix"
PROGRAMS = HERE / "programs"
LOCKS = ROOT / "locks"
LEGACY: Mapping[Transport, Era] = {"http": "legacy", "sse": "legacy"}
MODERN: Mapping[Transport, Era] = {"http": "modern", "sse": "modern"}


def _python(environment: str) -> str:
    return str(ROOT / ".envs" / environment / "bin/python")


@dataclass(frozen=True)
class Client:
    """One client. `program` writes what it saw as a line of JSON; with the argument `sse`, over HTTP+SSE."""

    name: str
    title: str
    program: str
    command: tuple[str, ...]
    """What runs the program."""
    packages: tuple[str, ...]
    """Those whose versions count, the client's first."""
    lock: Path
    """The lock file that has these."""
    steps: tuple[Step, ...] = STEPS
    eras: Mapping[Transport, Era] = field(default_factory=lambda: LEGACY)
    """In which it speaks to a hub, which offers both."""

    @property
    def source(self) -> Path:
        """The program's file."""
        return PROGRAMS / self.program

    @property
    def versions(self) -> dict[str, str]:
        """The locked version of each package; for Python 3.11, where versions differ between Pythons."""
        return {package: _locked(self.lock, package) for package in self.packages}

    def seen(self, output: str) -> dict[str, Any]:
        """What the program saw: `tools` (names), and texts: `call`, `resource`, `prompt`."""
        if self.name == "inspector":
            return _inspected(output)
        found: dict[str, Any] = json.loads(output.splitlines()[-1])
        return found

    def known_as(self, tool: str) -> str:
        """How the client names a tool."""
        return tool.replace("-", "_") if self.name == "smolagents" else tool


def _locked(lock: Path, package: str) -> str:
    if lock.suffix == ".json":
        version: str = json.loads(lock.read_text("utf-8"))["packages"][f"node_modules/{package}"]["version"]
        return version
    found = re.search(rf"^{re.escape(package)}(?:\[\w+\])?==(\S+)", lock.read_text("utf-8"), re.MULTILINE)
    assert found, f"{lock} has no {package}"
    return found[1]


def _inspected(output: str) -> dict[str, Any]:
    """The four results that the inspector writes one after the other."""
    results, decoder = [], json.JSONDecoder()
    while output := output.lstrip():
        result, end = decoder.raw_decode(output)
        results.append(result)
        output = output[end:]
    tools, call, resource, prompt = results
    return {
        "tools": [tool["name"] for tool in tools["tools"]],
        "call": call["content"][0]["text"],
        "resource": resource["contents"][0]["text"],
        "prompt": prompt["messages"][0]["content"]["text"],
    }


_MCP1 = LOCKS / "clients-mcp1.txt"
_MCP2 = LOCKS / "clients-mcp2.txt"
_SMOLAGENTS = LOCKS / "smolagents.txt"
_NODE = HERE / "package-lock.json"

CLIENTS = (
    Client(
        "smolagents",
        "smolagents",
        "smolagents_program.py",
        (_python("smolagents"),),
        ("smolagents", "mcpadapt", "mcp"),
        _SMOLAGENTS,
        ("connect", "list", "call"),
    ),
    Client(
        "langchain",
        "LangChain",
        "langchain_program.py",
        (_python("clients-mcp1"),),
        ("langchain-mcp-adapters", "mcp"),
        _MCP1,
    ),
    Client(
        "openai-agents",
        "OpenAI Agents SDK",
        "openai_agents_program.py",
        (_python("clients-mcp2"),),
        ("openai-agents", "mcp"),
        _MCP2,
        eras=MODERN,
    ),
    Client(
        "pydantic-ai-1",
        "Pydantic AI 1",
        "pydantic_ai_1_program.py",
        (_python("clients-mcp1"),),
        ("pydantic-ai-slim", "mcp"),
        _MCP1,
    ),
    Client(
        "pydantic-ai-2",
        "Pydantic AI 2",
        "pydantic_ai_2_program.py",
        (_python("clients-mcp2"),),
        ("pydantic-ai-slim", "mcp"),
        _MCP2,
        eras={"http": "modern", "sse": "legacy"},
    ),
    Client(
        "fastmcp",
        "FastMCP",
        "fastmcp_program.py",
        (sys.executable,),
        ("fastmcp", "mcp"),
        LOCKS / "dev.txt",
        eras={"http": "modern", "sse": "legacy"},
    ),
    Client("mcp1", "MCP SDK for Python, 1.x", "mcp1_program.py", (_python("smolagents"),), ("mcp",), _SMOLAGENTS),
    Client(
        "typescript",
        "MCP SDK for TypeScript",
        "typescript_program.mjs",
        ("node",),
        ("@modelcontextprotocol/sdk",),
        _NODE,
    ),
    Client(
        "inspector",
        "MCP inspector, command line",
        "inspector_program.sh",
        ("bash", "-euo", "pipefail"),
        ("@modelcontextprotocol/inspector-cli",),
        _NODE,
    ),
    Client("mcp-remote", "mcp-remote", "mcp_remote_program.mjs", ("node",), ("mcp-remote",), _NODE),
)
