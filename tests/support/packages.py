"""Packages of MCP servers, built without a network: a tarball of npm and a wheel, both without dependencies."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

NODE_SERVER = """#!/usr/bin/env node
const lines = require('node:readline').createInterface({ input: process.stdin });
const tools = ['greet', 'env', 'arguments'].map((name) => ({
  name, inputSchema: { type: 'object', properties: { name: { type: 'string' } } } }));
const said = (text) => ({ content: [{ type: 'text', text: String(text) }] });
const answers = {
  initialize: (params) => ({ protocolVersion: params.protocolVersion, capabilities: { tools: {} },
    serverInfo: { name: 'packed', version: VERSION } }),
  'tools/list': () => ({ tools }),
  'tools/call': ({ name, arguments: given }) => said(name === 'env' ? process.env[given.name] ?? ''
    : name === 'arguments' ? JSON.stringify(process.argv.slice(2)) : `hello from ${VERSION}`),
};
lines.on('line', (line) => {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) return;
  const answer = answers[method];
  const rest = answer ? { result: answer(params) } : { error: { code: -32601, message: 'unknown' } };
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id, ...rest })}\\n`);
});
"""
PYTHON_SERVER = '''"""A server with two tools."""
import json, os, sys

def main():
    if "--die" in sys.argv:
        sys.exit("the token is missing")
    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message:
            continue
        method, params = message["method"], message.get("params", {})
        if method == "initialize":
            result = {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}},
                      "serverInfo": {"name": "packed", "version": VERSION}}
        elif method == "tools/list":
            result = {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in ("greet", "env")]}
        elif method == "tools/call" and params["name"] == "env":
            result = {"content": [{"type": "text", "text": os.environ.get(params["arguments"]["name"], "")}]}
        elif method == "tools/call":
            result = {"content": [{"type": "text", "text": f"hello from {VERSION}"}]}
        else:
            result = None
        answer = {"error": {"code": -32601, "message": "?"}} if result is None else {"result": result}
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], **answer}), flush=True)
'''


def tarball(folder: Path, name: str = "packed-server", version: str = "1.0.0", **more: Any) -> Path:
    """A tarball as `npm pack` makes it. `more`: further fields of package.json; a script shows whether it ran."""
    described = {"name": name, "version": version, "bin": {"packed": "server.js"}, **more}
    files = {
        "package/package.json": json.dumps(described),
        "package/server.js": NODE_SERVER.replace("VERSION", json.dumps(version)),
    }
    path = folder / f"{name}-{version}.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for file, text in files.items():
            entry = tarfile.TarInfo(file)
            entry.size, entry.mode = len(text.encode()), 0o755
            archive.addfile(entry, io.BytesIO(text.encode()))
    return path


def wheel(folder: Path, name: str = "packed_server", version: str = "1.0.0") -> Path:
    """A wheel with one script of the package's name (Binary Distribution Format, PyPA)."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": PYTHON_SERVER.replace("VERSION", repr(version)),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name.replace('_', '-')} = {name}:main\n",
    }
    record = "".join(f"{file},sha256={_hash(text)},{len(text.encode())}\n" for file, text in files.items())
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            archive.writestr(file, text)
    return path


def bundle(folder: Path, name: str = "packed-server", version: str = "1.0.0", **more: Any) -> Path:
    """An MCP bundle of the same server. `more`: further fields of its manifest."""
    config = {"command": "node", "args": ["${__dirname}/server/index.js"], "env": {"BUNDLED": "${__dirname}/server"}}
    server = {"type": "node", "entry_point": "server/index.js", "mcp_config": config}
    manifest = {"manifest_version": "0.3", "name": name, "version": version, "server": server, **more}
    path = folder / f"{name}-{version}.mcpb"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.json", json.dumps(manifest))
        archive.writestr("server/index.js", NODE_SERVER.replace("VERSION", json.dumps(version)))
    return path


def _hash(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def entry(path: Path, name: str, version: str = "1.0.0", **package: Any) -> dict[str, Any]:
    """An own entry of the catalogue for a package that was built here."""
    kind = {".whl": "pypi", ".mcpb": "mcpb"}.get(path.suffix, "npm")
    found = {"registryType": kind, "identifier": str(path), "version": version, "transport": {"type": "stdio"}}
    if kind == "mcpb":
        found["fileSha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"name": name, "description": "A test", "version": version, "packages": [{**found, **package}]}
