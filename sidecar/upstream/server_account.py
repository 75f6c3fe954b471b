"""The account with which an upstream uses a server that has `sign_in`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from bridge.models import ServerSpec
from sidecar.protocol.channel import Channel, OnFrame
from sidecar.sign_in_errors import SignInRequired


class ServerAccount(Protocol):
    """One owner's account at one server."""

    owner: str
    """Id of the principal that it belongs to; empty for that of the hub's own workspaces, or of all clients."""

    @property
    def sign_ins(self) -> int:
        """How often somebody has signed in since this process started."""

    async def until_signed_in(self, before: int) -> None:
        """Wait until somebody has signed in after the `before`th time."""

    def required(self) -> SignInRequired:
        """The error for a request that needs a sign-in, with the link."""

    def connect(self, on_frame: OnFrame) -> AbstractAsyncContextManager[Channel]:
        """Open a channel to the server, with this account (`supervision.opening.Connect`)."""


SignIn = Callable[[ServerSpec, str], ServerAccount]
"""The account of a principal (by its id) at a server. Raises nothing: what fails, fails when it connects."""
