"""A PostgreSQL server of the tests' own: in a temporary directory, on a Unix socket, as a user who is not root."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLACE = ROOT / ".envs/postgresql"
LOG = "server.log"
START_SECONDS = 100
PASSWORD = "word-of-the-secretive-user"
FAST = ("fsync=off", "shared_buffers=32MB", "listen_addresses=", "log_checkpoints=off", "max_connections=30")


def programs() -> Path | None:
    """The directory of `initdb` and `postgres`; None if there is no server (tests/integration/databases/setup.sh)."""
    found = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin")]
    found += PLACE.glob("usr/lib/postgresql/*/bin")
    if on_path := shutil.which("initdb"):
        found.append(Path(on_path).parent)
    return next((each for each in found if (each / "postgres").exists() and (each / "initdb").exists()), None)


class Postgres:
    """A server, to be started, stopped and killed. `directory` has its data and its socket."""

    def __init__(self, bin_: Path, directory: Path, *settings: str) -> None:
        self._bin, self.directory = bin_, directory
        self._settings = settings
        self._server: subprocess.Popen[bytes] | None = None
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:  # PostgreSQL refuses to be run by root
            nobody = pwd.getpwnam("nobody")
            os.chown(directory, nobody.pw_uid, nobody.pw_gid)
            self._as = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        libraries = os.pathsep.join(map(str, PLACE.glob("usr/lib/*-linux-gnu")))
        self._as["env"] = os.environ | {"LC_ALL": "C.UTF-8"} | ({"LD_LIBRARY_PATH": libraries} if libraries else {})

    def url(self, user: str = "hub", password: str = "") -> str:
        """The address of its database."""
        who = f"{user}:{password}" if password else user
        return f"postgresql://{who}@/postgres?host={self.directory}"

    def create(self) -> None:
        """Make the database cluster. The user `hub` needs no password, `secretive` one, which nobody has."""
        data = self.directory / "data"
        words = ["-D", data, "-U", "hub", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8"]
        subprocess.run(
            [self._bin / "initdb", *words], check=True, capture_output=True, timeout=START_SECONDS, cwd="/", **self._as
        )
        hba = data / "pg_hba.conf"
        hba.write_text("local all secretive scram-sha-256\n" + hba.read_text())

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        words = [word for each in (*FAST, *self._settings) for word in ("-c", each)]
        with (self.directory / LOG).open("ab") as log:
            self._server = subprocess.Popen(
                [self._bin / "postgres", "-D", self.directory / "data", "-k", self.directory, *words],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd="/", start_new_session=True, **self._as,
            )  # fmt: skip
        ready = [self._bin / "pg_isready", "-q", "-h", self.directory, "-d", "postgres"]
        while subprocess.run(ready, check=False, cwd="/", timeout=START_SECONDS, env=self._as["env"]).returncode:
            if self._server.poll() is not None:
                raise RuntimeError(f"PostgreSQL has ended: {(self.directory / LOG).read_text()[-2000:]}")

    def kill(self) -> None:
        """Kill all of its processes at once (SIGKILL)."""
        self._end(signal.SIGKILL, group=True)

    def stop(self) -> None:
        """End it and its connections."""
        self._end(signal.SIGINT)

    def _end(self, number: signal.Signals, group: bool = False) -> None:
        if self._server and self._server.poll() is None:
            os.killpg(self._server.pid, number) if group else self._server.send_signal(number)
            self._server.wait(START_SECONDS)
        self._server = None


@contextmanager
def running_postgres(*settings: str) -> Iterator[Postgres]:
    """A server that runs. Skips the test where there is none to run; in CI there is."""
    found = programs()
    if found is None and os.environ.get("CI") == "true":
        raise AssertionError("PostgreSQL is missing: tests/integration/databases/setup.sh gets it")
    if found is None:
        pytest.skip("no PostgreSQL (tests/integration/databases/setup.sh gets it)")
    with tempfile.TemporaryDirectory(prefix="hub-postgres-") as directory:
        server = Postgres(found, Path(directory), *settings)
        server.create()
        server.start()
        try:
            yield server
        finally:
            server.stop()
