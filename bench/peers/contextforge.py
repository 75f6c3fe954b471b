"""mcp-contextforge-gateway: it takes no stdio servers, so its own `translate` puts the echo server behind SSE."""

from __future__ import annotations

import asyncio
import os
import secrets
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson

from bench.direct import program
from bench.peers.peer import ECHO, Started, executable
from tests.support.hub import free_port

USER = "admin@example.com"


@asynccontextmanager
async def start(directory: Path) -> AsyncIterator[Started]:
    """The gateway with one virtual server that has the echo server's tools; limits of calls a minute are off."""
    python, port, upstream = executable("contextforge", "python"), free_port(), free_port()
    env = _environment(directory)
    log = directory / "log"
    translate = (
        python,
        "-m",
        "mcpgateway.translate",
        "--stdio",
        " ".join(ECHO),
        "--expose-sse",
        "--port",
        str(upstream),
    )
    gateway = (executable("contextforge", "mcpgateway"), "--host", "127.0.0.1", "--port", str(port))
    async with (
        program(*translate, port=upstream, cwd=directory, env=env, log=log) as translator,
        program(*gateway, port=port, cwd=directory, env=env, log=log) as serving,
    ):
        bearer = await _token(python, env, directory)
        base = f"http://127.0.0.1:{port}"
        path = await asyncio.to_thread(_virtual_server, base, bearer, f"http://127.0.0.1:{upstream}/sse")
        yield Started({"sse": f"{base}{path}/sse", "http": f"{base}{path}/mcp"}, (translator, serving), bearer)


def _environment(directory: Path) -> dict[str, str]:
    secret = [f"{secrets.token_urlsafe(24)}Aa1!" for _ in range(5)]
    return os.environ | {
        "DATABASE_URL": f"sqlite:///{directory / 'gateway.db'}",
        "JWT_SECRET_KEY": secret[0],
        "AUTH_ENCRYPTION_SECRET": secret[1],
        "BASIC_AUTH_PASSWORD": secret[2],
        "PLATFORM_ADMIN_PASSWORD": secret[3],
        "DEFAULT_USER_PASSWORD": secret[4],
        "SSRF_ALLOW_LOCALHOST": "true",
        "SSRF_ALLOW_PRIVATE_NETWORKS": "true",
        "RATE_LIMITING_ENABLED": "false",
        "TOOL_RATE_LIMIT": "100000000",
        "CACHE_TYPE": "memory",
    }


async def _token(python: str, env: dict[str, str], directory: Path) -> str:
    words = ("--username", USER, "--admin", "--exp", "120", "--secret", env["JWT_SECRET_KEY"])
    process = await asyncio.create_subprocess_exec(
        *(python, "-m", "mcpgateway.utils.create_jwt_token", *words),
        cwd=directory,
        env=env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    output, _ = await process.communicate()
    return output.decode().split()[-1]


def _virtual_server(base: str, bearer: str, upstream: str) -> str:
    """Register the upstream and a server of all its tools; its path."""

    def ask(path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {bearer}", "Content-Type": "application/json"}
        request = urllib.request.Request(base + path, orjson.dumps(body) if body else None, headers)
        with urllib.request.urlopen(request, timeout=30) as response:
            return orjson.loads(response.read())

    ask("/gateways", {"name": "raw", "url": upstream, "transport": "SSE"})
    tools = [tool["id"] for tool in ask("/tools")]
    return f"/servers/{ask('/servers', {'server': {'name': 'w', 'associated_tools': tools}})['id']}"
