"""The MCP clients that `hubctl connect` supports, and the paths of their configuration files.

The table is front/console/data/clients.mjs, which the console uses too; a script on Node reads it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from bridge.models import Model
from hubctl.run.node import ask_node

CLIENTS = (
    *("claude-code", "claude-desktop", "cursor", "vscode", "codex", "gemini-cli", "windsurf", "cline", "zed"),
    *("open-webui", "smolagents", "langchain", "openai-agents", "pydantic-ai", "inspector", "mcp-remote"),
)
"""Client ids. The first ones have a file; for the others hubctl prints instructions. A test compares with the table."""


class Places(Model):
    """The paths of a client's files: one below the home directory, and one below a project's directory."""

    user: str
    darwin: str | None = None
    project: str | None = None


class Client(Model):
    """A client that keeps its MCP servers in a configuration file."""

    id: str
    title: str
    format: str
    at: str
    places: Places
    note: str

    def file(self, home: Path, project: Path | None, platform: str = sys.platform) -> Path | None:
        """Return the path of the user's file, or of a project's; None if the client has no file per project."""
        if project is not None:
            return project / self.places.project if self.places.project else None
        return home / ((self.places.darwin if platform == "darwin" else None) or self.places.user)


_WITH_FILES: dict[str, Client] = {}
"""Cache of the clients that have a file."""


async def client_with_file(client: str) -> Client | None:
    """Return the client with that id; None if it does not keep its servers in a file."""
    if not _WITH_FILES:
        found = (await _asked({}))["clients"]
        _WITH_FILES.update({each["id"]: Client.model_validate(each) for each in found})
    return _WITH_FILES.get(client)


async def with_workspace(client: str, text: str | None, workspace: dict[str, str], token: str | None) -> str:
    """Add a workspace to the text of a client's file; `text` is None if the file does not exist.

    Raises:
        RemoteError: CLIENT_FILE_UNUSABLE: the file cannot be changed safely.
    """
    question = {"client": client, "workspace": workspace, "token": token, "text": text}
    return str((await _asked(question))["text"])


async def without_workspace(client: str, text: str, slug: str) -> str:
    """Remove a workspace from the text of a client's file. Raises as `with_workspace`."""
    return str((await _asked({"client": client, "slug": slug, "text": text}))["text"])


async def program(client: str, workspace: dict[str, str], token: bool) -> dict[str, Any]:
    """Return what to paste or type for a client without a file: `title`, `text`, `note`."""
    answer = await _asked({"client": client, "workspace": workspace, "token": token})
    found: dict[str, Any] = answer["program"]
    return found


async def _asked(question: dict[str, Any]) -> dict[str, Any]:
    return await ask_node("connect.mjs", json.dumps(question))
