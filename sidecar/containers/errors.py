"""The errors of servers in containers; they appear as the reason in a server's status."""

from __future__ import annotations

from sidecar.errors import SidecarError


class EngineMissing(SidecarError):
    """A server is to run in a container, and there is neither podman nor docker, or they are switched off."""

    code = "ENGINE_MISSING"
    hint = (
        "Install podman or docker, or say in HUB_CONTAINER_ENGINE which one to use; without `container` it runs plain."
    )


class EngineRefused(SidecarError):
    """The container engine is there, but does not answer, lacks a permission, or does not start the container."""

    code = "ENGINE_REFUSED"
    hint = "The words after the colon are the engine's own; run `podman info` or `docker info` as the hub's user."


class ImagePulling(SidecarError):
    """The image of a contained server is being pulled; its start timeout begins afterwards."""

    code = "IMAGE_PULLING"
    hint = "Nothing to do: the server starts by itself when the image has been pulled."


class ImageMissing(SidecarError):
    """The image of a contained server is not present, and `pull` is `never`."""

    code = "IMAGE_MISSING"
    hint = "Build or pull it for the user that runs the hub, or set `container.pull` to `missing` in hub.json."


class ImagePullFailed(SidecarError):
    """The image of a contained server could not be pulled."""

    code = "IMAGE_PULL_FAILED"
    hint = "Check its name, the network, and that the hub's user is logged in at the registry."


class MountRefused(SidecarError):
    """A mount of a contained server does not exist, or is not below a directory that the settings allow."""

    code = "MOUNT_REFUSED"
    hint = "Name a directory above it in HUB_CONTAINER_MOUNTS and restart the hub, or correct `container.mounts`."


class VariableRefused(SidecarError):
    """A variable of a contained server has a name or value that cannot be passed into a container."""

    code = "CONTAINER_VARIABLE"
    hint = "Rename it; or pass the value in a file that is mounted."


class ContainerOom(SidecarError):
    """A contained server used more memory than its limit, and was ended for it. Others are not concerned."""

    code = "CONTAINER_OOM"
    hint = "Raise `container.memory` of the server in hub.json, or ask it for less at once."
