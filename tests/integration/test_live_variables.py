"""variables.json is followed live: only servers that refer to a changed variable start again. A whole sidecar."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from bridge.client import BridgeClient
from bridge.models import ReadStatus, ServerSpec, ServerStatus, StdioLaunch
from bridge.private import write_file
from bridge.settings import Settings
from bridge.settings.variables import VARIABLES_FILE, dump_variables
from sidecar.app import App
from tests.integration.test_references import asked, given, root, running  # noqa: F401 - root is a fixture
from tests.support.as_it_was import process_as_it_was  # noqa: F401 - a fixture
from tests.support.fake_server import until
from tests.support.keys import HUB_TOKEN
from tests.support.sidecar import mock

pytestmark = pytest.mark.outside

FIRST, SECOND = "first-Zq8Vn2Xc5Rt7Yp", "second-Qw3Er5Ty7Ui9Op"


def referring(key: str, text: str) -> ServerSpec:
    """A mock server with this value in its variable KEY."""
    spec = mock(key)
    assert isinstance(spec.launch, StdioLaunch)
    return spec.model_copy(update={"launch": spec.launch.model_copy(update={"env": {"KEY": text}})})


def put(settings: Settings, **values: str) -> None:
    """Write the file as the adapter does."""
    write_file(settings.data_dir / VARIABLES_FILE, dump_variables(values))


async def server(client: BridgeClient, key: str) -> ServerStatus:
    """The status of a server."""
    status = await client.request(ReadStatus(), timeout=100)
    return next(each for each in status.servers if each.key == key)


async def changed(app: App, settings: Settings, **values: str) -> None:
    """Write the file, and wait until the hub has read it and all servers run with it: the hub puts new ones into the
    pool as it reads, and takes what they replace out when they are ready."""
    put(settings, **values)
    await until(lambda: app.variables.file.in_file == values)
    await until(lambda: _ready(app) == ["both", "one", "other"])


def _ready(app: App) -> list[str]:
    """The servers, if all are ready and none has another one beside it that it replaces."""
    return sorted(each.spec.key for each in app.hub.pool) if all(each.state == "ready" for each in app.hub.pool) else []


async def value(settings: Settings, key: str) -> str:
    """What the server has in KEY."""
    return next(iter(await asked(settings, HUB_TOKEN, f"{key}_env", name="KEY")))


async def test_a_change_reaches_the_servers_that_use_it(root: Path, capfd: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    """A server that waits for a variable starts when it is set, and gets each new value; the file comes before the
    environment, and a removed variable leaves the environment's. The other server keeps its process. No value is in
    the status or in a log line; a broken file changes nothing."""
    os.environ["HUB_TEST_FROM_ENVIRONMENT"] = "environment"
    settings = given(root)
    one = referring("one", "${HUB_TEST_LIVE}")
    both = referring("both", "<${HUB_TEST_FROM_ENVIRONMENT}>")
    async with running(settings, one, both, referring("other", "plain")) as (app, client):
        await until(lambda: all(each.state != "starting" for each in app.hub.pool))
        process = (await server(client, "other")).pids
        assert process
        found = await server(client, "one")
        assert found.reason and found.reason.code == "SERVER_VARIABLE_MISSING"
        assert await value(settings, "both") == "<environment>"

        await changed(app, settings, HUB_TEST_LIVE=FIRST, HUB_TEST_FROM_ENVIRONMENT="file")
        assert await value(settings, "one") == FIRST
        assert await value(settings, "both") == "<file>"

        (settings.data_dir / VARIABLES_FILE).write_text("{")
        await changed(app, settings, HUB_TEST_LIVE=SECOND)
        assert await value(settings, "one") == SECOND
        assert await value(settings, "both") == "<environment>"
        assert (await server(client, "other")).pids == process
        status = await client.request(ReadStatus(), timeout=100)
    logged = capfd.readouterr().err
    assert "variables changed" in logged
    told = logged + json.dumps(status.model_dump(mode="json")) + (settings.data_dir / "applied.json").read_text()
    assert not [secret for secret in (FIRST, SECOND) if secret in told]
