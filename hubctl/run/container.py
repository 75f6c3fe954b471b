"""Whether this hub runs in its own image, where what one does about things is done differently."""

from __future__ import annotations

import os

from bridge.models import Status
from bridge.settings import Settings

VARIABLE = "YAMCP_HUB_IMAGE"
"""Set by the Dockerfile; `docker exec` and the hub's processes have it too."""


def in_container() -> bool:
    """Whether this process runs in the hub's image."""
    return bool(os.environ.get(VARIABLE))


def port_is_the_containers(settings: Settings) -> bool:
    """Whether the address that the hub knows is the container's own: it cannot know where that is published."""
    return in_container() and settings.public_url is None


def below_the_address(settings: Settings, status: Status) -> Status:
    """The status with paths in place of URLs where the address before them would be the container's own."""
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
