"""Calls of legacy clients to modern servers: when a server asks for input, the hub asks the client and calls again.

The server's `input_required` result (MCP 2026-07-28, Multi Round-Trip Requests) becomes requests to the client (MCP
2025-11-25, Elicitation, Sampling and Roots), and the call is repeated with the client's answers.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from sidecar.errors import CallTimeout
from sidecar.features import input_requests
from sidecar.features.uris import Rename
from sidecar.input_errors import ClientFeatureMissing, InputRefused, InputRounds
from sidecar.protocol.channel import Frame, Params
from sidecar.routing.offer import Offer
from sidecar.sessions.session import Session

if TYPE_CHECKING:
    from sidecar.calls.request import Request

MAX_ROUNDS = 10
"""How often one call may ask for input, the limit of the MCP SDKs."""
FIRST_RETRY_SECONDS, MAX_RETRY_SECONDS = 0.05, 0.25
"""Seconds before the call is repeated for a server that asks for no input, only for a retry; doubled each time."""


async def request_with_input(request: Request, offer: Offer, params: Params, tool: str) -> Frame:
    """Send a request, and repeat it with the client's input until the server gives a final response frame.

    The server's timeout for `tool` applies to all rounds together.

    Raises:
        CallTimeout: the server or the client did not answer in time.
        ClientFeatureMissing: the server asks for a feature that the client did not declare.
        InputRefused: the client answered with an error.
        InputRounds: the server asked for input more than `MAX_ROUNDS` times.
        SidecarError: see `Upstream.request`.
    """
    clock, (timeout, idle, _) = asyncio.get_running_loop().time, offer.limits(tool)
    deadline, pause = clock() + timeout, FIRST_RETRY_SECONDS
    progress, sent = request.progress(), params
    for _ in range(1 + MAX_ROUNDS):
        left = max(deadline - clock(), 0)
        frame = await offer.upstream.request(
            request.method,
            sent,
            timeout=left,
            idle_timeout=idle,
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
                    request.asked = True
                    rename = offer.rename if offer.label else None
                    sent = {**params, "inputResponses": await _ask_client_all(request.session, wanted, rename)}
                    pause = FIRST_RETRY_SECONDS
                else:
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, MAX_RETRY_SECONDS)
        except TimeoutError:
            raise CallTimeout(f"The client did not answer what {request.method} asked within {timeout:g} s.") from None
        if "requestState" in result:
            sent = {**sent, "requestState": result["requestState"]}
    raise InputRounds(f"The server {offer.spec.key!r} asked for input {MAX_ROUNDS} times without an answer.")


async def _ask_client_all(
    session: Session, wanted: dict[str, Params], rename: Rename | None
) -> dict[str, dict[str, Any]]:
    """Send the client all input requests at once. Returns the results by key; the first error cancels the others."""
    for input_request in wanted.values():
        method, params = input_request["method"], input_requests.params_of(input_request)
        if (lacks := input_requests.lacking(session.capabilities, method, params)) is not None:
            raise ClientFeatureMissing(
                f"The server asks for {method}, which this client does not offer.", data={"requiredCapabilities": lacks}
            )
    asked = {key: asyncio.ensure_future(_ask_client(session, each, rename)) for key, each in wanted.items()}
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


async def _ask_client(session: Session, input_request: Params, rename: Rename | None) -> dict[str, Any]:
    method, params = input_requests.for_legacy(input_request, rename)
    frame = await session.ask(method, params)
    if not isinstance(frame.get("result"), dict):
        error = frame.get("error")
        raise InputRefused(f"The client answered {method} with an error.", data={"error": error})
    result: dict[str, Any] = frame["result"]
    return result
