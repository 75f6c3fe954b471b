"""Runs activations one at a time, and tells how far each is."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context
from typing import Any, Literal

from bridge.errors import HubError
from bridge.models import Event
from bridge.models.catalog.activation import ActivationJob, JobState
from yamcp_ui_adapter.activation.errors import ActivationCancelled, NoSuchJob, TooManyActivations

log = logging.getLogger(__name__)

MAX_WAITING = 16
MAX_REMEMBERED = 64
"""Jobs that `activation_jobs` lists; the oldest ended ones are forgotten."""
LINE_SECONDS = 0.2
"""Seconds between two events that tell of nothing but a new line."""
WAITING: JobState = "waiting"
ENDED: tuple[JobState, ...] = ("done", "failed", "cancelled")

Work = Callable[["Progress"], Awaitable[None]]
"""What a job does; it undoes what it did if it raises, also CancelledError."""


class Progress:
    """A job, as it is told to others. `work` sets its fields by `update`."""

    def __init__(self, job: ActivationJob, publish: Callable[[Event], None]) -> None:
        self.job = job
        self._publish = publish
        self._told = 0.0

    def update(self, **fields: Any) -> None:
        """Change fields of the job, and publish an event."""
        self.job = self.job.model_copy(update=fields)
        self._told = time.monotonic()
        data = {"state": self.job.state, "key": self.job.key, "step": self.job.step, "line": self.job.line}
        self._publish(Event(topic="activation", subject=self.job.id, data=data))

    def line(self, text: str) -> None:
        """Note a line of an installer; events tell of some of them only."""
        if time.monotonic() - self._told >= LINE_SECONDS:
            self.update(line=text)
        else:
            self.job = self.job.model_copy(update={"line": text})


class Jobs:
    """The queue of jobs. `publish` gets an event for each change."""

    def __init__(self, publish: Callable[[Event], None]) -> None:
        self._publish = publish
        self._jobs: deque[Progress] = deque()
        self._queue: deque[tuple[Progress, Work, Context]] = deque()
        self._news = asyncio.Event()
        self._running: tuple[Progress, asyncio.Task[None]] | None = None

    @property
    def jobs(self) -> tuple[ActivationJob, ...]:
        """All jobs that are remembered, newest first."""
        return tuple(each.job for each in reversed(self._jobs))

    def concerns(self, key: str) -> bool:
        """Whether a job for the server with this key has not ended."""
        return any(each.job.key == key and each.job.state not in ENDED for each in self._jobs)

    def start(self, action: Literal["activate", "update"], key: str, name: str, version: str, work: Work) -> str:
        """Queue a job; returns its id. Raises TooManyActivations."""
        if len(self._queue) >= MAX_WAITING:
            raise TooManyActivations(f"{MAX_WAITING} activations wait already.")
        job = ActivationJob(
            id=secrets.token_hex(8),
            action=action,
            key=key,
            name=name,
            version=version,
            state=WAITING,
            began=round(time.time(), 3),
        )
        progress = Progress(job, self._publish)
        self._jobs.append(progress)
        while len(self._jobs) > MAX_REMEMBERED and self._jobs[0].job.state in ENDED:
            self._jobs.popleft()
        self._queue.append((progress, work, copy_context()))
        self._news.set()
        progress.update()
        return job.id

    async def cancel(self, job: str) -> None:
        """End a job, and wait until what it did is undone. Raises NoSuchJob."""
        found = next((each for each in self._jobs if each.job.id == job and each.job.state not in ENDED), None)
        if found is None:
            raise NoSuchJob(f"There is no activation {job!r} in progress.")
        if self._running and self._running[0] is found:
            self._running[1].cancel()
            await asyncio.wait({self._running[1]})
        else:
            self._queue = deque(each for each in self._queue if each[0] is not found)
            _end(found, ActivationCancelled("It was cancelled before it began."))

    async def run(self) -> None:
        """Run the jobs until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._queue:
                progress, work, context = self._queue.popleft()
                task = asyncio.create_task(_run(progress, work), context=context)
                self._running = progress, task
                try:
                    await asyncio.wait({task})
                finally:
                    task.cancel()
                    await asyncio.wait({task})
                    self._running = None


async def _run(progress: Progress, work: Work) -> None:
    try:
        await work(progress)
    except asyncio.CancelledError:
        _end(progress, ActivationCancelled("It was cancelled."))
    except HubError as error:
        _end(progress, error)
    except Exception:  # one broken activation must not end the adapter
        log.exception("an activation failed in a way that the hub does not know", extra={"server": progress.job.key})
        _end(progress, HubError("The activation failed in a way that the hub does not know; its log has the details."))
    else:
        progress.update(state="done", step="", ended=round(time.time(), 3))


def _end(progress: Progress, error: HubError) -> None:
    state: JobState = "cancelled" if isinstance(error, ActivationCancelled) else "failed"
    progress.update(state=state, step="", error=error.body(), ended=round(time.time(), 3))
    fields = {"server": progress.job.key, "code": error.code, "why": error.message}
    log.warning("a server of the catalogue was not activated", extra=fields)
