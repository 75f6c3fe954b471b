"""The API does what its OpenAPI document says: each operation asked as it is meant, and schemathesis, which asks oddly.

`HUB_TEST_API_EXAMPLES` is how many random requests schemathesis makes of each operation (default: 3). If it is set,
operations that replace whole files are among them, after which no server is left.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from jsonschema import Draft202012Validator

from tests.support.run import Run, prepared

pytestmark = pytest.mark.asyncio(loop_scope="module")
ROOT = Path(__file__).resolve().parents[2]
SCHEMATHESIS = ROOT / ".envs/schemathesis/bin/schemathesis"
CONFIG = Path(__file__).parent / "schemathesis.toml"
EXAMPLES = os.environ.get("HUB_TEST_API_EXAMPLES")
ENTRY = {"namespace": "more", "type": "stdio", "providerParameters": {"command": "/bin/false", "args": [], "env": {}}}
FORM = {"name": "plain", "type": "stdio", "command": "/bin/false", "args": [], "env": {}}
OWN_ENTRY = {
    "name": "test/own",
    "description": "A test",
    "version": "1.0.0",
    "remotes": [{"type": "streamable-http", "url": "http://127.0.0.1:9/mcp"}],
}
DEMO = {"workspace": "demo"}
WHOLE_FILES = "_put(Providers|Workspaces)Config$"

# What is asked of each operation, in this order: operationId, what fills its path and query, its body.
Asked = tuple[str, dict[str, str], Any]
EXPORTS = [(what, form) for what in ("Calls", "Changes", "SignIns") for form in ("csv", "jsonl")]
ASKED: list[Asked] = [
    ("hub_call", {}, {**DEMO, "tool": "notes_add_note", "arguments": {"title": "a", "text": "b"}}),
    ("hub_call", {}, {**DEMO, "tool": "clock_now"}),
    ("hub_state", {}, None),
    ("hub_reload", {}, None),
    ("hub_tools", DEMO, None),
    ("hub_searchTools", {**DEMO, "text": "note", "limit": "30"}, None),
    ("hub_prompts", DEMO, None),
    ("hub_resources", DEMO, None),
    ("hub_sessions", {"limit": "5"}, None),
    ("hub_history", {"since": "0"}, None),
    ("hub_logs", {}, None),
    ("hub_readServer", {"key": "notes"}, None),
    ("hub_addServer", {}, {"key": "more", "entry": ENTRY}),
    ("hub_putServer", {"key": "more"}, {"key": "other", "entry": ENTRY}),
    ("hub_setServer", {"key": "other"}, {"settings": {"call_timeout": 7}}),
    ("hub_startServer", {"key": "notes"}, None),
    ("hub_stopServer", {"key": "other"}, None),
    ("hub_restartServer", {"key": "notes"}, None),
    ("hub_copyServer", {"key": "other"}, {"to": "copy"}),
    ("hub_addWorkspace", {}, {"name": "team", "servers": ["notes", "other"]}),
    ("hub_putWorkspace", {"name": "team"}, {"name": "team 2", "servers": ["notes"]}),
    ("hub_setWorkspace", {"name": "team 2"}, {"slug": "team", "record": "sizes"}),
    ("hub_stopWorkspace", {"name": "team 2"}, None),
    ("hub_startWorkspace", {"name": "team 2"}, None),
    ("hub_copyWorkspace", {"name": "team 2"}, {"to": "team 3"}),
    ("hub_editMany", {}, {"action": "disable", "workspaces": ["team 3"]}),
    ("hub_undo", {}, {}),
    ("hub_export", {}, {"form": "client"}),
    ("hub_import", {}, {"text": '{"mcpServers": {"new": {"command": "/bin/false"}}}', "dry_run": True}),
    ("hub_import", {}, {"text": '{"mcpServers": {"new": {"command": "/bin/false"}}}'}),
    ("hub_keys", {}, None),
    ("hub_addKey", {}, {"name": "agent"}),
    ("hub_keys", {}, None),
    ("hub_revokeKey", {"key": "agent"}, None),
    ("hub_deleteWorkspace", {"name": "team 2"}, None),
    ("hub_deleteServer", {"key": "copy"}, None),
    ("hub_forgetSettings", {"section": "servers", "name": "none"}, None),
    ("hub_recordedCalls", {"limit": "9"}, None),
    ("hub_recordedCall", {"id": "1"}, None),
    ("hub_recordedChanges", {}, None),
    ("hub_signIns", {}, None),
    ("hub_pastSessions", {}, None),
    ("hub_principals", {}, None),
    ("hub_usage", {"range": "hour", "by": "tool"}, None),
    ("hub_recordsStatus", {}, None),
    ("hub_optimizeRecords", {}, {"dry_run": True}),
    *((f"hub_export{what}", {"form": form}, None) for what, form in EXPORTS),
    ("yamcp_stats", {}, None),
    ("yamcp_addServer", {}, FORM),
    ("yamcp_servers", {}, None),
    ("yamcp_putServer", {"id": "plain"}, {**FORM, "args": ["x"]}),
    ("yamcp_startServer", {"id": "plain"}, None),
    ("yamcp_stopServer", {"id": "plain"}, None),
    ("yamcp_addWorkspace", {}, {"name": "plain", "servers": ["plain"]}),
    ("yamcp_workspaces", {}, None),
    ("yamcp_putWorkspace", {"id": "plain"}, {"servers": []}),
    ("yamcp_startWorkspace", {"id": "plain"}, None),
    ("yamcp_stopWorkspace", {"id": "plain"}, None),
    ("yamcp_deleteWorkspace", {"id": "plain"}, None),
    ("yamcp_deleteServer", {"id": "plain"}, None),
    ("yamcp_logs", {}, None),
    ("yamcp_logFiles", {}, None),
    ("yamcp_logFile", {"workspace": "hub", "filename": "front.log"}, None),
    ("yamcp_providersConfig", {}, None),
    ("yamcp_workspacesConfig", {}, None),
    ("hub_checkAccess", {}, {"text": "{}"}),
    ("hub_putAccess", {}, {"text": '{"rules": [{"effect": "allow", "subject": "group:dev"}]}'}),
    ("hub_access", {}, None),
    ("hub_explainAccess", {"subject": "group:dev", "name": "now"}, None),
    ("hub_viewAccess", {"subject": "group:dev"}, None),
    ("hub_curation", {"name": "demo"}, None),
    ("hub_approvals", {}, None),
    ("hub_findEntries", {"text": "files", "without_keys": "true", "limit": "2"}, None),
    ("hub_putEntry", {}, {"entry": OWN_ENTRY}),
    ("hub_showEntry", {"name": "test/own", "source": "own"}, None),
    ("hub_removeEntry", {"name": "test/own"}, None),
    ("hub_putSource", {"id": "team"}, {"url": "http://127.0.0.1:9", "title": "Ours"}),
    ("hub_catalogSources", {}, None),
    ("hub_refreshSource", {"id": "team"}, None),
    ("hub_removeSource", {"id": "team"}, None),
    ("hub_toolChanges", {"server": "notes"}, None),
    ("hub_scans", {}, None),
    ("hub_rescan", {}, {}),
    ("hub_activations", {}, None),
    ("hub_installed", {}, None),
    ("hub_setVariables", {}, {"values": {"API_KEY": "x"}}),
    ("hub_variables", {}, None),
    ("hub_removeVariable", {"name": "API_KEY"}, None),
    ("hub_grants", {}, None),
    ("hub_limits", {}, None),
    ("hub_replicas", {}, None),
    ("hub_account", {}, None),
    ("hub_self", {}, None),
    ("hub_ownSignIns", {}, None),
    ("hub_upstreamSignIns", {}, None),
    ("hub_endOwnSignIn", {"server": "none"}, None),
    ("hub_endUpstreamSignIn", {"server": "none"}, None),
    ("processes_health", {}, None),
    ("processes_openapi", {}, None),
    ("processes_apiPage", {}, None),
]
REFUSED: list[Asked] = [
    ("hub_getPrompt", {}, {**DEMO, "prompt": "none"}),
    ("hub_readResource", {}, {**DEMO, "uri": "none:x"}),
    ("hub_complete", {}, {**DEMO, "prompt": "none", "argument": "a", "value": ""}),
    ("hub_endSession", {"id": "none"}, None),
    ("hub_readServer", {"key": "none"}, None),
    ("hub_addWorkspace", {}, {"name": "demo", "servers": []}),
    ("hub_recordedCall", {"id": "x"}, None),
    ("hub_explainAccess", {"subject": "nobody", "name": "now"}, None),
    ("hub_viewAccess", {"subject": "nobody"}, None),
    ("hub_curation", {"name": "none"}, None),
    ("hub_approve", {"id": "none"}, {"digest": "0", "secrets": {"API_KEY": "x"}}),
    ("hub_refuse", {"id": "none"}, None),
    ("hub_showEntry", {"name": "none/none"}, None),
    ("hub_putEntry", {}, {"entry": {}}),
    ("hub_removeEntry", {"name": "none/none"}, None),
    ("hub_putSource", {"id": "own"}, {"url": "http://127.0.0.1:9"}),
    ("hub_removeSource", {"id": "none"}, None),
    ("hub_refreshSource", {"id": "none"}, None),
    ("hub_acceptChanges", {}, {"server": "notes", "tools": ["none"]}),
    ("hub_rejectChanges", {}, {"server": "notes", "digests": ["0" * 64]}),
    ("hub_sbom", {"subject": "none"}, None),
    ("hub_rescan", {}, {"subject": "none"}),
    ("hub_setWorkspace", {"name": "demo"}, {"curation": {"servers": {}}, "expect_curation": "0"}),
    ("hub_activate", {}, {"name": "none/none", "values": {"a": "b", "c": ["d"]}, "secrets": {}, "workspaces": []}),
    ("hub_cancelActivation", {"id": "none"}, None),
    ("hub_updateInstalled", {"key": "none"}, {}),
    ("hub_rollBackInstalled", {"key": "none"}, None),
    ("hub_removeInstalled", {"key": "none"}, None),
    ("hub_setVariables", {}, {"values": {"not a name": "x"}}),
    ("hub_removeVariable", {"name": "none"}, None),
    ("hub_deleteAccess", {"hash": "0"}, None),
    ("hub_endGrant", {"id": "g0"}, None),
    ("hub_endOwnGrant", {"id": "g0"}, None),
    ("yamcp_putProvidersConfig", {}, []),
    ("yamcp_putWorkspacesConfig", {}, []),
]
"""What demo servers have nothing of, and some that are wrong: answered by an error that the document has."""


class Described:
    """A running hub with its own description."""

    def __init__(self, hub: Run, document: dict[str, Any]) -> None:
        self.url = f"http://127.0.0.1:{hub.port}"
        self.document = document
        self.operations = {
            operation["operationId"]: (method, path, operation)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        }

    async def ask(self, http: httpx2.AsyncClient, asked: Asked) -> httpx2.Response:
        """One request; the answer is as the document says."""
        operation_id, given, body = asked
        method, path, operation = self.operations[operation_id]
        in_path = {name: value for name, value in given.items() if f"{{{name}}}" in path}
        query = {name: value for name, value in given.items() if name not in in_path}
        response = await http.request(method.upper(), path.format(**in_path), params=query, json=body)
        told = f"{operation_id} {given}: {response.status_code} {response.text[:500]}"
        described = operation["responses"].get(str(response.status_code))
        assert described, told
        media = response.headers["content-type"].partition(";")[0]
        assert media in described["content"], told
        if media == "application/json":
            schema = described["content"][media]["schema"]
            assert not list(self.problems(schema, response.json())), told
        return response

    def problems(self, schema: Any, value: Any) -> Iterator[str]:
        """Where a value is not as a schema of the document has it."""
        root = {"components": self.document["components"], **schema}
        for error in Draft202012Validator(root).iter_errors(value):
            yield f"{error.json_path}: {error.message}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub() -> AsyncIterator[Described]:
    """With the demo's servers and workspace, and a history that has a call."""
    async with prepared(HUB_HISTORY="on") as run:
        await run.start()
        await run.until("Streamable HTTP")
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{run.port}", timeout=60) as http:
            document = (await http.get("/api/openapi.json")).json()
            await http.post("/api/hub/call", json={**DEMO, "tool": "clock_now"})
            async with asyncio.timeout(100):
                while not (await http.get("/api/hub/calls")).json().get("calls"):  # noqa: ASYNC110 (no event tells of it)
                    await asyncio.sleep(0.05)
        yield Described(run, document)
        await run.end(signal.SIGTERM)


async def test_each_operation_answers_as_it_is_described(hub: Described) -> None:
    """Status, media type and schema; of what demo servers have, an answer that is no error."""
    async with httpx2.AsyncClient(base_url=hub.url, timeout=60) as http:
        for asked in ASKED:
            response = await hub.ask(http, asked)
            assert response.status_code == 200, f"{asked}: {response.text}"
        for file in ("providers", "workspaces"):
            content = (await hub.ask(http, (f"yamcp_{file}Config", {}, None))).json()
            asked = (f"yamcp_put{file.capitalize()}Config", {}, content)
            assert (await hub.ask(http, asked)).status_code == 200, asked
        for asked in REFUSED:
            assert (await hub.ask(http, asked)).status_code in range(400, 500), asked
    assert {name for name, *_ in [*ASKED, *REFUSED]} == set(hub.operations)


async def test_schemathesis_finds_nothing(hub: Described, tmp_path: Path) -> None:
    """No 5xx but those of a server or process that is away; whatever is sent, every answer is a described one."""
    left_out = [] if EXAMPLES else [name for name in hub.operations if re.search(WHOLE_FILES, name)]
    process = await asyncio.create_subprocess_exec(
        SCHEMATHESIS, "--config-file", CONFIG, "run", f"{hub.url}/api/openapi.json", "--no-color", "--seed", "1",
        "--phases", "coverage,fuzzing", "--max-examples", EXAMPLES or "3",
        *(word for name in left_out for word in ("--exclude-operation-id", name)),
        cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        out, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, out.decode()
    found = re.search(r"Tested: (\d+)", out.decode())
    tested = len(hub.operations) - len(left_out) - 1  # it does not ask for the document once more
    assert found and int(found[1]) == tested, out.decode()
