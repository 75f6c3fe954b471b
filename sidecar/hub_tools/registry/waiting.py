"""Waits until a change has been made, and until the caller's view shows it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Literal

from fastmcp.exceptions import ToolError

from bridge.models.catalog.activation import ActivationJob
from bridge.models.catalog.approvals import ReadRegistryProgress
from sidecar.calls.hub_caller import HubCaller
from sidecar.hub_tools.registry.adapter import Adapter, vouched
from sidecar.routing.view import View
from sidecar.sessions.client_groups import ClientGroup

POLL_SECONDS = 0.1
JOB_SECONDS = 50.0
"""Below the 60 s after which common clients give a call up."""
VIEW_SECONDS = 10.0


class _Refreshes:
    """Observes a workspace (`ListObserver`): sets an event whenever its view was built again."""

    def __init__(self) -> None:
        self.event = asyncio.Event()

    def changed(self, method: str) -> None:
        self.event.set()

    def changed_for(self, group: ClientGroup, method: str) -> None:
        self.event.set()

    def follow(self) -> None:
        self.event.set()

    def end_forbidden(self) -> None:
        self.event.set()


def tools_of(view: View, server: str) -> list[str]:
    """The tools of a server in a view."""
    return [name for name, route in view.tool_routes.items() if route.offer.spec.key == server]


async def until_shown(caller: HubCaller, server: str, wanted: Callable[[list[str]], bool]) -> list[str]:
    """The server's tools in the caller's view, as soon as they are as wanted, or after VIEW_SECONDS."""
    seen, observers = _Refreshes(), caller.workspace.observers
    observers.append(seen)
    found: list[str] = []
    try:
        async with asyncio.timeout(VIEW_SECONDS):
            while not wanted(found := tools_of(await caller.view(), server)):
                await seen.event.wait()
                seen.event.clear()
    except TimeoutError:
        pass
    finally:
        observers.remove(seen)
    return found


async def until_done(adapter: Adapter, caller: HubCaller, number: str) -> ActivationJob | Literal["used"] | None:
    """The job that a job or ticket names, once it has ended, with progress to the client; `used` for a ticket after
    which nothing has to be installed; None after JOB_SECONDS.

    Raises ToolError if the job has failed, or the ticket ended without having been used.
    """
    body = ReadRegistryProgress(caller=vouched(caller), workspace=caller.workspace.name, id=number)
    told, steps, progress = "", 0, caller.progress()
    try:
        async with asyncio.timeout(JOB_SECONDS):
            while True:
                found = await adapter.request(body)
                job = found.job
                if job is None and found.ticket == "expired":
                    raise ToolError("Nobody has entered the secrets in time; nothing was changed.")
                if job is not None and job.ended is not None:
                    return checked(job)
                step = f"{job.state}: {job.step}" if job is not None else ""
                if progress is not None and step != told:
                    steps += 1
                    progress({"progress": steps, "message": step})
                    told = step
                if job is None and found.ticket == "used":
                    return "used"
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        return None


def checked(job: ActivationJob) -> ActivationJob:
    """The job, if it is done. Raises ToolError otherwise."""
    if job.state != "done":
        why = f"{job.error.message} {job.error.hint or ''}".strip() if job.error is not None else "It was cancelled."
        raise ToolError(f"{job.name} was not added, and nothing is left of it. {why}")
    return job
