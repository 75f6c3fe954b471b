"""Whether the hub runs in its container image, where some addresses and instructions differ."""

from __future__ import annotations

import os

from bridge.models import Status
from bridge.settings import Settings

VARIABLE = "YAMCP_HUB_IMAGE"
"""The Dockerfile sets it, and so `docker exec` and the hub's processes have it."""


def in_container() -> bool:
    """Return whether this process runs in the hub's image."""
    return bool(os.environ.get(VARIABLE))


def port_is_the_containers(settings: Settings) -> bool:
    """Return whether the hub only knows the container's own address; where that is published, it cannot know."""
    return in_container() and settings.public_url is None


def below_the_address(settings: Settings, status: Status) -> Status:
    """Replace URLs in the status by paths if their address would be the container's own."""
    if not port_is_the_containers(settings):
        return status
    base = settings.base_url
    spaces = (
        space.model_copy(
            update={"sse_url": space.sse_url.removeprefix(base), "http_url": space.http_url.removeprefix(base)}
        )
        for space in status.workspaces
    )
    return status.model_copy(update={"workspaces": tuple(spaces)})
