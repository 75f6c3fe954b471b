"""The official conformance suite, against the fixture directly and through a hub: what passes there, passes here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bridge.models import Status
from tests.conformance import places, suite
from tests.conformance.places import Fixture, Way
from tests.conformance.suite import Report
from tests.support.sidecar import Sidecar

pytestmark = pytest.mark.asyncio(loop_scope="module")

SUITES = pytest.mark.parametrize("name", suite.SUITES)
AT_LEAST = {"released": 44, "legacy": 81, "modern": 152}
"""How many checks the fixture passes: fewer, and there would be less to compare."""
IDLE = 5
"""Seconds until a session of the suite's clients, who leave without goodbye, is over."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served() -> AsyncIterator[Fixture]:
    """The fixture."""
    suite.node()
    async with places.fixture() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(served: Fixture) -> AsyncIterator[Sidecar]:
    """A hub with the fixture in each way and era, each in a workspace of its own without a prefix."""
    servers = served.specs("stdio", "legacy", "modern") + served.specs("http", "legacy", "modern")
    async with places.hub(*servers, HUB_SESSION_IDLE_TIMEOUT=str(IDLE)) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def direct(served: Fixture, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Report]:
    """What each suite finds without a hub."""
    return {
        name: await suite.run(each, served.url, tmp_path_factory.mktemp("direct"))
        for name, each in suite.SUITES.items()
    }


@SUITES
async def test_the_fixture_passes_directly(direct: dict[str, Report], name: str) -> None:
    """No check fails, so the comparison leaves nothing out."""
    report = direct[name]
    assert report.failed == []
    assert (report.exit_code, report.passed.total()) == (0, AT_LEAST[name]), report.output


@SUITES
@pytest.mark.parametrize("way", ["stdio", "http"])
async def test_what_passes_directly_passes_through_the_hub(
    hub: Sidecar, direct: dict[str, Report], tmp_path: Path, name: str, way: Way
) -> None:
    """The same scenarios are run, every check passes that passes directly, and none fails: no failure is expected."""
    report = await suite.run(suite.SUITES[name], hub.http(f"{way}-{suite.SUITES[name].era}"), tmp_path)
    assert report.failed == []
    assert sorted((direct[name].passed - report.passed).elements()) == []
    assert report.scenarios == direct[name].scenarios
    assert report.exit_code == 0, report.output


async def test_nothing_is_left(hub: Sidecar) -> None:
    """Servers of the suite's sessions are gone when these are over."""

    def over(status: Status) -> bool:
        return all(server.instances == 0 for server in status.servers if server.key.endswith("-legacy"))

    await hub.wait_status(over, "all sessions are over", 6 * IDLE)
