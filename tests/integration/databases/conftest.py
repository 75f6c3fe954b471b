"""One PostgreSQL server for the tests here; each test has a schema of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.postgres import Postgres, running_postgres


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """A server that runs: it starts in two seconds."""
    with running_postgres() as server:
        yield server


@pytest.fixture
def schema(request: pytest.FixtureRequest) -> str:
    """The name of a schema that no other test uses."""
    return f"hub_{abs(hash(request.node.nodeid)):x}"
