"""Calls to a server at which somebody has to sign in first: the client is asked to open the link, and the call goes on.

Legacy clients with URL elicitation (MCP 2025-11-25, Elicitation) are asked in the middle of the call; modern ones get
an `input_required` result (MCP 2026-07-28, Multi Round-Trip Requests). Other clients get the error SIGN_IN_REQUIRED.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from sidecar.features import input_requests
from sidecar.input_errors import InputRefused
from sidecar.protocol.channel import Frame, Params
from sidecar.sign_in_errors import SignInRequired

if TYPE_CHECKING:
    from sidecar.calls.request import Request
    from sidecar.upstream.server_account import ServerAccount
    from sidecar.upstream.upstream import Upstream

ELICIT = "elicitation/create"
KEY = "hub-sign-in"
"""The key of the input request to a modern client."""


async def asked_with_sign_in(
    request: Request,
    upstream: Upstream,
    account: ServerAccount,
    ask: Callable[[], Awaitable[Frame]],
    input_required: Callable[[dict[str, Any], int], Frame],
    seconds: float,
) -> Frame:
    """The response to `ask`, which sends a request to a server; with a sign-in before it where that is needed.

    `input_required` makes the result that asks a modern client. A legacy client has `seconds` for the sign-in.

    Raises:
        SignInRequired: the client cannot be asked, or nobody has signed in in time.
        InputRefused: the client's user declined.
        SidecarError: as `ask`.
    """
    before, frame = account.sign_ins, None
    try:
        frame = await ask()
        if not _wants_sign_in(frame):
            return frame
    except SignInRequired as error:
        if lacks_url(request):
            raise error from None
    if lacks_url(request):
        return frame or {}
    wanted = _elicitation(account.required())
    if request.era == "modern":
        return input_required({KEY: {"method": ELICIT, "params": wanted}}, before)
    number = secrets.token_hex(16)
    answer = await request.session.ask(ELICIT, {**wanted, "elicitationId": number})
    check_accepted(answer.get("result"))
    await signed_in(upstream, account, before, seconds)
    request.session.notify("notifications/elicitation/complete", {"elicitationId": number})
    return await ask()


async def signed_in(upstream: Upstream, account: ServerAccount, before: int, seconds: float) -> None:
    """Wait until somebody has signed in after the `before`th time, and the server is connected to. Raises
    SignInRequired after `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            await account.until_signed_in(before)
            await upstream.left("sign_in_required")
    except TimeoutError:
        raise account.required() from None


def check_accepted(answer: Any) -> None:
    """Check a client's answer to the elicitation. Raises InputRefused."""
    if not isinstance(answer, dict) or answer.get("action") != "accept":
        raise InputRefused("The sign-in that the call needs was declined.")


def lacks_url(request: Request) -> bool:
    """Whether the client cannot be asked to open a link."""
    return input_requests.lacking(request.capabilities, ELICIT, {"mode": "url"}) is not None


def _elicitation(error: SignInRequired) -> Params:
    return {"mode": "url", "url": error.data["url"], "message": error.message}


def _wants_sign_in(frame: Frame) -> bool:
    """Whether the hub itself answered a request with SIGN_IN_REQUIRED, in the server's place (`channels/base.py`)."""
    error = frame.get("error")
    data = error.get("data") if isinstance(error, dict) else None
    return isinstance(data, dict) and data.get("code") == SignInRequired.code
