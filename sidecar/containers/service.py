"""Runs stdio servers in containers: prepares engine and image, opens the channel, and removes the container."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Unpack
from uuid import uuid4

from bridge.errors import ErrorBody
from bridge.models import ContainerSettings, ServerSpec, StdioLaunch
from bridge.private import write_file
from bridge.settings import Settings, listed
from sidecar.channels.stdio import Callbacks, StdioChannel, exit_error, open_stdio
from sidecar.containers import argv, engine, exits, mounts, policy
from sidecar.containers.engine import Engine, Image
from sidecar.containers.errors import EngineRefused, ImageMissing, ImagePulling, ImageRefused
from sidecar.containers.oom import MemoryWatch, is_container
from sidecar.containers.policy import Demand
from sidecar.containers.scan import Scans
from sidecar.containers.tool import Tool
from sidecar.errors import SidecarError
from sidecar.protocol.channel import Channel, Frame, OnFrame
from sidecar.spawner.client import Spawner

log = logging.getLogger(__name__)

PULL_REPORT_INTERVAL = 1.0
"""Seconds between reports on the progress of a pull."""
ENV_FILE = "{}.container-env"

Tell = Callable[[ErrorBody | None], None]


class Containers:
    """Runs servers in containers. `hub`: id of this hub, unique on the machine; `session`: id of this run of it."""

    def __init__(self, spawner: Spawner, settings: Settings, hub: str, session: str, *, alone: bool = True) -> None:
        """Make it. `alone`: no other sidecar of this hub runs, so that all containers of the hub are leftovers."""
        self._spawner = spawner
        self._settings = settings
        self._hub = hub
        self._session = session
        self._pass_env = listed(settings.pass_env)
        self._tool = Tool(spawner)
        self._used = settings.data_dir / "engines"
        """A file with the path of each engine that has run a container of this hub, to remove leftovers at start."""
        self._engine: Engine | None = None
        self._swept = not alone
        self._finding = asyncio.Lock()
        self._pulling: dict[str, asyncio.Lock] = {}
        self._images: dict[str, Image] = {}
        self._checked = policy.Checked(settings.data_dir / "images.json")
        self.scans = Scans(self._tool, settings.data_dir, settings.sbom)

    async def run(self) -> None:
        """Remove containers left by an earlier run, then scan images and packages until cancelled."""
        async with self._finding:
            await self._sweep()
        await self.scans.run()

    def hints(self, spec: ServerSpec) -> tuple[str, ...]:
        """Hints on a server's container for its status: limits without effect, what its scan found."""
        container, found = spec.settings.container, self._engine
        hints = []
        if container and isinstance(spec.launch, StdioLaunch) and found and found.unlimited:
            why = f"{found.kind}{' without root' if found.rootless else ''} cannot do it on this machine"
            hints.append(f"Not limited: {', '.join(sorted(found.unlimited))}; {why}.")
        return (*hints, *self.scans.hint(spec))

    # --- before the start ----------------------------------------------------------------------------------------

    async def prepare(self, spec: ServerSpec, tell: Tell) -> None:
        """Ensure that the image of a server is present, pulling it if allowed. `tell` is called with the progress.

        There is no timeout other than PULL_TIMEOUT (engine.py).

        Raises:
            EngineMissing, EngineRefused: there is no working engine.
            ImageMissing: the image is not present and must not be pulled.
            ImagePullFailed: the image could not be pulled.
            ImageRefused, PolicyUnusable: HUB_CONTAINER_POLICY refuses it, or cannot be used.
        """
        if spec.settings.container and isinstance(spec.launch, StdioLaunch):
            try:
                await self._image(await self._found(), spec.settings.container, tell)
            except EngineRefused:
                self._engine = None  # search again
                raise

    async def _image(self, found: Engine, container: ContainerSettings, tell: Tell) -> None:
        name = container.image
        async with self._pulling.setdefault(name, asyncio.Lock()):
            demand = self._demand(found, name)
            image = await found.image(name)
            if container.pull == "always" or (container.pull == "missing" and not demand.met_by(image)):
                await _pull(found, name, tell, demand.policy_path)
                image = await found.image(name)
                tell(None)
                demand.note(image)
        if image is None:
            raise ImageMissing(f"The image {name!r} is not present, and `pull` is `never`.")
        if not demand.met_by(image):
            why = "is present, but was not pulled under the policy as it is now, and `pull` is `never`"
            raise ImageRefused(f"The image {name!r} {why}.")
        self._images[name] = image
        self.scans.want(found, image, name)

    def _demand(self, found: Engine, name: str) -> Demand:
        """What HUB_CONTAINER_POLICY demands of an image. Raises ImageRefused, PolicyUnusable."""
        if self._settings.container_policy is None:
            return Demand()
        demand = Demand(self._checked, policy.read(self._settings.container_policy), name)
        if demand.rule == "reject":
            raise ImageRefused(f"The policy {demand.policy_path} rejects the image {name!r}.")
        if demand.rule == "signed" and found.kind != "podman":
            raise ImageRefused(f"The policy demands a signature of {name!r}, which {found.kind} cannot check.")
        return demand

    async def _found(self) -> Engine:
        async with self._finding:
            await self._sweep()
            if self._engine is None:
                self._engine = await engine.find(self._tool, self._settings.container_engine)
                self._remember(self._engine.program)
            return self._engine

    def _remember(self, program: str) -> None:
        if program not in (known := _lines(self._used)):
            write_file(self._used, "".join(f"{line}\n" for line in (*known, program)).encode(), sync=False)

    async def _sweep(self) -> None:
        """Remove containers left by earlier runs of this hub, once, before it runs any."""
        if self._swept:
            return
        for left in self._settings.runtime.glob(ENV_FILE.format("*")):
            left.unlink(missing_ok=True)
        for program in _lines(self._used):
            try:
                used = await engine.find(self._tool, program)
                names = await used.containers(self._hub)
                await used.remove(names)
            except SidecarError as error:
                log.warning("leftover containers could not be searched for: %s", error.message)
            else:
                if names:
                    log.info("removed containers that an earlier hub left", extra={"containers": len(names)})
        self._swept = True

    # --- from start to end ---------------------------------------------------------------------------------------

    @asynccontextmanager
    async def open(
        self,
        server: str,
        launch: StdioLaunch,
        container: ContainerSettings,
        **callbacks: Unpack[Callbacks],
    ) -> AsyncIterator[Channel]:
        """Run a server in a container and open a channel to it; at the end the container is removed.

        `launch`: with its variables expanded. `callbacks`: as for `open_stdio`.

        Raises:
            MountRefused: a mount is not allowed.
            VariableRefused: a variable cannot be passed into the container.
            SidecarError: as `prepare` and `open_stdio`.
        """
        found = await self._found()
        image = self._images.get(container.image)
        if image is None:
            raise ImageMissing(f"The image {container.image!r} is not present.")
        inherited = {name: os.environ[name] for name in self._pass_env if name in os.environ}
        variables = argv.variables({**inherited, **launch.env})
        name = f"yamcp-hub-{uuid4().hex[:16]}"
        own = (self._settings.data_dir, self._settings.runtime)
        life = _ContainerRun(found, name, container, launch.command)
        with _env_file(self._settings.runtime / ENV_FILE.format(name), variables.file) as env_file:
            words = argv.run(
                found.kind,
                argv.Container(
                    name=name,
                    hub=self._hub,
                    session=self._session,
                    server=server,
                    settings=container,
                    command=launch.command,
                    args=launch.args,
                    user=argv.user(container.user, image.user, found.rootless),
                    mounts=mounts.options(container.mounts, self._settings.mounts_allowed, own),
                    names=tuple(variables.named),
                    env_file=str(env_file) if env_file else None,
                    image=image.id if self._settings.container_policy else "",
                ),
            )
            client = StdioLaunch(
                command=found.program, args=words, env={**self._tool.environment, **variables.named}, cwd="/"
            )
            try:
                async with (
                    open_stdio(
                        self._spawner,
                        client,
                        **callbacks | {"on_frame": partial(life.on_frame, callbacks["on_frame"])},
                        explain=partial(self._explain, life),
                    ) as channel,
                    life.watching(channel, env_file),
                ):
                    yield channel
            finally:
                await _remove(found, name)

    def _explain(self, life: _ContainerRun, end: int | SidecarError, stderr: Sequence[str]) -> SidecarError:
        if end == exits.REFUSED:
            self._engine = None  # search again: it may have been replaced or stopped
        return life.explain(end, stderr)


class _ContainerRun:
    """Observes a running container: its process and its memory limit, to explain its end."""

    def __init__(self, found: Engine, name: str, settings: ContainerSettings, command: str) -> None:
        self._engine = found
        self._name = name
        self._settings = settings
        self._command = command
        self._begun = asyncio.Event()
        self._memory: MemoryWatch | None = None

    def on_frame(self, on_frame: OnFrame, frame: Frame) -> bool | None:
        self._begun.set()
        return on_frame(frame)

    def explain(self, end: int | SidecarError, stderr: Sequence[str]) -> SidecarError:
        if isinstance(end, SidecarError):
            return end
        went_over = self._memory is not None and self._memory.went_over
        return exits.explain(end, stderr, self._settings, self._command, went_over) or exit_error(end)

    @asynccontextmanager
    async def watching(self, channel: StdioChannel, env_file: Path | None) -> AsyncIterator[None]:
        task = asyncio.create_task(self._look(channel, env_file))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
            if self._memory:
                self._memory.close()

    async def _look(self, channel: StdioChannel, env_file: Path | None) -> None:
        """When the server has answered: find its process, for the status, and watch its memory limit."""
        await self._begun.wait()
        _unlink(env_file)
        with suppress(SidecarError):
            ident, pid = await self._engine.process(self._name)
            if pid and is_container(pid, ident):
                channel.pid = pid
                self._memory = MemoryWatch(pid)


async def _pull(found: Engine, name: str, tell: Tell, policy: Path | None) -> None:
    reported = 0.0

    def progress(line: str) -> None:
        nonlocal reported
        if time.monotonic() - reported >= PULL_REPORT_INTERVAL:
            reported = time.monotonic()
            tell(ImagePulling(f"The image {name!r} is being pulled: {line}.").body())

    tell(ImagePulling(f"The image {name!r} is being pulled.").body())
    await found.pull(name, progress, policy)


async def _remove(found: Engine, name: str) -> None:
    try:
        await found.remove([name])
    except SidecarError as error:  # the hub is stopping; the next start removes the container
        log.warning("a container could not be removed: %s", error.message, extra={"container": name})


@contextmanager
def _env_file(path: Path, content: str) -> Iterator[Path | None]:
    """A private file with `content`, which exists during the context; None if there is no content."""
    if not content:
        yield None
        return
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(content)
        yield path
    finally:
        _unlink(path)


def _unlink(path: Path | None) -> None:
    if path:
        path.unlink(missing_ok=True)


def _lines(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text().splitlines() if line.startswith("/")]
    except OSError:
        return []


def hub_name(key: bytes, data_dir: Path) -> str:
    """The id of a hub for the labels of its containers; a copy of its data in another directory is another hub."""
    return hashlib.sha256(key + os.fsencode(data_dir.resolve())).hexdigest()[:16]
