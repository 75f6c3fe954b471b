"""Calls of legacy clients to modern servers: a result that wants input becomes requests to the client, and a retry.

MCP 2026-07-28, Multi Round-Trip Requests; MCP 2025-11-25, Elicitation, Sampling and Roots.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from sidecar.errors import CallTimeout, ClientFeatureMissing, InputRefused, InputRounds
from sidecar.features import input_requests
from sidecar.protocol.channel import Frame
from sidecar.routing.view import Offer
from sidecar.sessions.session import Session

if TYPE_CHECKING:
    from sidecar.calls.request import Params, Request

MOST_ROUNDS = 10
"""As the SDKs have it."""
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 0.25
"""Seconds before a retry for a server that only wants to be asked again."""


async def ask(request: Request, offer: Offer, params: Params, tool: str) -> Frame:
    """Ask the server until it answers; returns the response frame. The deadline of the call covers all of it.

    Raises:
        ClientFeatureMissing: the server asks for what the client did not declare.
        InputRefused: the client answered with an error.
        InputRounds: the server goes on asking.
        SidecarError: as `Upstream.request`.
    """
    clock, timeout = asyncio.get_running_loop().time, offer.timeout(tool)
    deadline, pause = clock() + timeout, FIRST_PAUSE
    progress, sent = request.progress(), params
    for _ in range(1 + MOST_ROUNDS):
        left = max(deadline - clock(), 0)
        frame = await offer.upstream.request(
            request.method,
            sent,
            timeout=left,
            on_progress=progress,
            declared=request.declared,
            call=request.call,
        )
        result = frame.get("result")
        if not isinstance(result, dict) or not input_requests.asks(result) or offer.catalog.greeting.era == "legacy":
            return frame
        wanted = input_requests.input_requests(result)
        sent = params
        try:
            async with asyncio.timeout_at(deadline):
                if wanted:
                    rename = offer.rename if offer.label else None
                    sent = {**params, "inputResponses": await _answers(request.session, wanted, rename)}
                    pause = FIRST_PAUSE
                else:
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, LONGEST_PAUSE)
        except TimeoutError:
            raise CallTimeout(f"The client did not answer what {request.method} asked within {timeout:g} s.") from None
        if "requestState" in result:
            sent = {**sent, "requestState": result["requestState"]}
    raise InputRounds(f"The server {offer.spec.key!r} asked for input {MOST_ROUNDS} times without an answer.")


async def _answers(
    session: Session, wanted: dict[str, Params], rename: input_requests.Rename | None
) -> dict[str, dict[str, Any]]:
    """Ask the client everything at once; the first error ends it."""
    for question in wanted.values():
        method, params = question["method"], input_requests.params_of(question)
        if (lacks := input_requests.lacking(session.capabilities, method, params)) is not None:
            raise ClientFeatureMissing(
                f"The server asks for {method}, which this client does not offer.", data={"requiredCapabilities": lacks}
            )
    asked = {key: asyncio.ensure_future(_answer(session, each, rename)) for key, each in wanted.items()}
    try:
        await asyncio.wait(asked.values(), return_when=asyncio.FIRST_EXCEPTION)
        failed = [task for task in asked.values() if task.done() and task.exception()]
        for task in failed:
            task.result()
        return {key: task.result() for key, task in asked.items()}
    finally:
        for task in asked.values():
            task.cancel()
        await asyncio.gather(*asked.values(), return_exceptions=True)


async def _answer(session: Session, question: Params, rename: input_requests.Rename | None) -> dict[str, Any]:
    method, params = input_requests.for_legacy(question, rename)
    frame = await session.ask(method, params)
    if not isinstance(frame.get("result"), dict):
        error = frame.get("error")
        raise InputRefused(f"The client answered {method} with an error.", data={"error": error})
    result: dict[str, Any] = frame["result"]
    return result
