"""Three whole hubs (`hubctl run`) with one configuration in PostgreSQL, one Redis, and nginx and Envoy in front."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import psutil
from redis.asyncio import Redis

from bridge.client import BridgeClient
from bridge.models.cluster import ClusterState, ReadCluster
from tests.integration.proxies.proxies import started
from tests.replicas import balancers, single
from tests.replicas.gate import Gate, gate
from tests.support.hub import free_port
from tests.support.postgres import Postgres, running_postgres
from tests.support.redis import redis
from tests.support.run import Run, prepared
from tests.support.shifted_clock import VARIABLE, set_clock
from tests.support.yamcp import ROOT, mock, write_in_place

COUNT = 3
SECRET = "secret of three replicas on one machine"
CLOCK = "from pathlib import Path\nimport os\nfrom tests.support.shifted_clock import VARIABLE, shift\n" \
    "if VARIABLE in os.environ:\n    shift(Path(os.environ[VARIABLE]))\n"  # fmt: skip
PATIENCE = 100.0
POLL = 0.1


class Replica:
    """One of the hubs."""

    def __init__(self, name: str, run: Run, clock: Path) -> None:
        self.name, self.run, self._clock = name, run, clock
        self.set_clock(0)

    @property
    def port(self) -> int:
        """Its public port."""
        return self.run.port

    def set_clock(self, ahead: int) -> None:
        """Let the time of day of its Python processes be that many seconds ahead, from now on."""
        set_clock(self._clock, ahead)

    async def start(self) -> None:
        """Start it, and wait until it is ready."""
        self.run.text = ""
        await self.run.start()
        await self.until_ready()

    async def until_ready(self) -> None:
        """Wait until it takes new sessions, and its server has started."""
        async with asyncio.timeout(PATIENCE), httpx2.AsyncClient(base_url=f"http://127.0.0.1:{self.port}") as client:
            while True:
                with contextlib.suppress(httpx2.HTTPError):
                    if (await client.get("/healthz?probe=readiness")).status_code == 200:
                        return
                await asyncio.sleep(POLL)

    async def drain(self) -> dict[str, Any]:
        """`hubctl drain`, as a hook of an orchestrator runs it; what it says."""
        code, out, err = await self.run.hubctl("drain", "--json")
        assert code == 0, (out, err)
        return dict(json.loads(out))

    async def stop(self) -> None:
        """Stop it as an orchestrator does."""
        os.killpg(self.run.process.pid, signal.SIGTERM)
        await asyncio.wait_for(self.run.process.communicate(), PATIENCE)

    async def kill(self) -> None:
        """kill -9 of all of its processes."""
        for process in self.run.processes():
            with contextlib.suppress(psutil.Error):
                process.kill()
        await self.run.process.communicate()

    async def cluster(self) -> ClusterState:
        """The state of the shared configuration, as `hubctl cluster` shows it. Three of these programs beside the load
        would take the machine longer than what is measured."""
        async with BridgeClient(f"ipc://{self.run.root}/run/desired.sock") as bridge:
            return await bridge.request(ReadCluster(), timeout=PATIENCE)

    async def replicas(self) -> dict[str, Any]:
        """What it knows of all replicas."""
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", timeout=PATIENCE) as client:
            return dict((await client.get("/api/hub/replicas")).json())

    async def sidecar(self) -> psutil.Process:
        """The process that serves."""
        return psutil.Process((await self.run.running("sidecar"))["sidecar"])


class Hubs:
    """All of them, and what they stand between."""

    def __init__(
        self, replicas: list[Replica], ports: list[int], postgres: Gate, redis: Gate, server: Postgres
    ) -> None:
        self.replicas = replicas
        self.ports = ports
        """Those of nginx and Envoy."""
        self.postgres, self.redis, self.server = postgres, redis, server
        self.single = single.Watch()

    async def redis_commands(self) -> int:
        """How many commands Redis has carried out."""
        async with Redis(unix_socket_path=str(self.redis.socket)) as client:
            return int((await client.info("stats"))["total_commands_processed"])

    async def postgres_transactions(self) -> int:
        """How many transactions PostgreSQL has carried out."""
        connection = await asyncpg.connect(self.server.url())
        try:
            return int(await connection.fetchval("SELECT sum(xact_commit) FROM pg_stat_database"))
        finally:
            await connection.close()

    @property
    def direct(self) -> list[int]:
        """The ports of the replicas themselves."""
        return [each.port for each in self.replicas]

    def named(self, name: str) -> Replica:
        """The replica of that name."""
        return next(each for each in self.replicas if each.name == name)


async def until(true: Any, what: str) -> float:
    """Wait until a coroutine function returns something true; after how many seconds. Raises TimeoutError."""
    begin = asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout(PATIENCE):
            while not await true():  # noqa: ASYNC110 (no event tells of it)
                await asyncio.sleep(POLL)
    except TimeoutError:
        raise TimeoutError(f"not within {PATIENCE} s: {what}") from None
    return asyncio.get_running_loop().time() - begin


@contextlib.asynccontextmanager
async def hubs() -> AsyncIterator[Hubs]:
    """All that runs; nothing is left of it afterwards."""
    async with contextlib.AsyncExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hubs")))
        server = stack.enter_context(running_postgres())
        await stack.enter_async_context(redis(root))
        to_postgres = await stack.enter_async_context(gate(server.directory / ".s.PGSQL.5432"))
        to_redis = await stack.enter_async_context(gate(root / "redis.sock"))
        (root / "python").mkdir()
        (root / "python/sitecustomize.py").write_text(CLOCK)
        common = {
            "HUB_CONFIG_DATABASE": f"postgresql://hub@127.0.0.1:{to_postgres.port}/postgres?sslmode=disable",
            "HUB_REDIS_URL": f"redis://127.0.0.1:{to_redis.port}",
            "HUB_REPLICAS_SECRET": SECRET,
            "HUB_SEED_DEMO": "false",
            "HUB_TRUSTED_PROXIES": "127.0.0.1",
            "PYTHONPATH": f"{root / 'python'}{os.pathsep}{ROOT}",
        }
        replicas = []
        for name in (f"r{number}" for number in range(COUNT)):
            clock = root / f"{name}.clock"
            variables = common | {"HUB_REPLICA": name, VARIABLE: str(clock)}
            run = await stack.enter_async_context(prepared(**variables))
            replicas.append(Replica(name, run, clock))
        addresses = ",".join(f"{each.name}=http://127.0.0.1:{each.port}" for each in replicas)
        for each in replicas:
            each.run.env["HUB_REPLICAS"] = addresses
        first, *others = replicas
        (first.run.root / "yamcp").mkdir()
        write_in_place(first.run.root / "yamcp/workspaces.json", {"w": ["m"], "x": [single.KEY]})
        write_in_place(first.run.root / "yamcp/providers.json", {"m": mock("m"), single.KEY: mock(single.KEY)})
        await first.start()
        for words in (("cluster", "import"), ("set", single.KEY, "placement=one")):
            code, out, err = await first.run.hubctl(*words)
            assert code == 0, (out, err)
        await asyncio.gather(*(each.start() for each in others))
        ports = []
        for make in (balancers.nginx, balancers.envoy):
            ports.append(port := free_port())
            (place := root / make.__name__).mkdir()
            words = make(place, port, [each.port for each in replicas])
            await stack.enter_async_context(started(words, place, port))
        made = Hubs(replicas, ports, to_postgres, to_redis, server)
        made.single = await stack.enter_async_context(single.watched())
        yield made
