"""The errors of servers in containers; they appear as the reason in a server's status."""

from __future__ import annotations

from sidecar.errors import SidecarError


class EngineMissing(SidecarError):
    """A server needs a container, but neither podman nor docker is installed, or HUB_CONTAINER_ENGINE is off."""

    code = "ENGINE_MISSING"
    hint = (
        "Install podman or docker, or set HUB_CONTAINER_ENGINE; without `container` the server runs as a plain process."
    )


class EngineRefused(SidecarError):
    """The container engine does not answer, lacks a permission, or failed to start the container."""

    code = "ENGINE_REFUSED"
    hint = "The text after the colon is the engine's message; run `podman info` or `docker info` as the hub's user."


class ImagePulling(SidecarError):
    """The image of a contained server is being pulled; its start timeout begins afterwards."""

    code = "IMAGE_PULLING"
    hint = "No action is needed: the server starts when the image has been pulled."


class ImageMissing(SidecarError):
    """The image of a contained server is not present, and `pull` is `never`."""

    code = "IMAGE_MISSING"
    hint = "Build or pull it as the user that runs the hub, or set `container.pull` to `missing` in hub.json."


class ImagePullFailed(SidecarError):
    """The container engine could not pull the image of a contained server."""

    code = "IMAGE_PULL_FAILED"
    hint = "Check its name, the network, and that the hub's user is logged in at the registry."


class ImageRefused(SidecarError):
    """The policy of images (HUB_CONTAINER_POLICY) refuses the image of a contained server, or its signature."""

    code = "IMAGE_REFUSED"
    hint = "Use an image that the policy accepts, or change the policy; the hub reads it before each start."


class PolicyUnusable(SidecarError):
    """The policy of images that HUB_CONTAINER_POLICY names, or a key in it, cannot be read or understood."""

    code = "IMAGE_POLICY_UNUSABLE"
    hint = "Correct the file (containers-policy.json(5)); until then no contained server starts."


class MountRefused(SidecarError):
    """A mount of a contained server does not exist, or is not below a directory that the settings allow."""

    code = "MOUNT_REFUSED"
    hint = "Name a directory above it in HUB_CONTAINER_MOUNTS and restart the hub, or correct `container.mounts`."


class VariableRefused(SidecarError):
    """A variable of a contained server has a name or value that cannot be passed into a container."""

    code = "CONTAINER_VARIABLE"
    hint = "Rename it; or pass the value in a file that is mounted."


class ContainerOom(SidecarError):
    """A contained server exceeded its memory limit and was killed. Other servers are not affected."""

    code = "CONTAINER_OOM"
    hint = "Raise `container.memory` of the server in hub.json, or request less at once."


class ScanFailed(SidecarError):
    """A scan of an image or package for vulnerabilities ended without a report. The server runs all the same."""

    code = "SCAN_FAILED"
    hint = "The hub tries again, later each time. Run the scanner by hand; `hubctl trust rescan` tries at once."


class ScanUnknown(SidecarError):
    """A scan was requested of an image or package that no server uses."""

    code = "SCAN_UNKNOWN"
    hint = "`hubctl trust scans` shows the images and packages of the servers."


class SbomFailed(SidecarError):
    """The SBOM of an image or package could not be made. The server runs all the same."""

    code = "SBOM_FAILED"
    hint = "The hub tries again, later each time. Run syft by hand; `hubctl trust rescan` tries at once."


class SbomUnknown(SidecarError):
    """An SBOM was requested of an image or package of which none is kept."""

    code = "SBOM_UNKNOWN"
    hint = "`hubctl trust scans` shows which are kept. The hub makes them if syft is on its PATH, or HUB_SBOM names it."
