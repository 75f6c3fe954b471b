"""What `hubctl doctor` finds about the files that the settings of trust name (docs/trust.md)."""

from __future__ import annotations

import os
from pathlib import Path

import orjson

from bridge.settings import Settings
from hubctl.commands.doctor.server_findings import Finding


def trust_files(settings: Settings) -> list[Finding]:
    """Report a policy of images that cannot be used, and a generator of SBOMs that is not there."""
    found = []
    if settings.container_policy and (why := _fault(settings.container_policy)):
        found.append(
            Finding(
                level="error",
                subject="HUB_CONTAINER_POLICY",
                message=f"{settings.container_policy} {why}: no contained server starts.",
                hint="Correct the file (containers-policy.json(5)), or unset the setting and restart the hub.",
                code="IMAGE_POLICY_UNUSABLE",
            )
        )
    if settings.sbom.startswith("/") and not os.access(settings.sbom, os.X_OK):
        found.append(
            Finding(
                level="warning",
                subject="HUB_SBOM",
                message=f"{settings.sbom} is no program that the hub may run: no SBOM is made.",
                hint="Name the path of syft, or set it to auto or off, and restart the hub.",
            )
        )
    return found


def _fault(policy: Path) -> str:
    """Why a policy cannot be used; empty if it can, as far as this looks."""
    try:
        content = orjson.loads(policy.read_bytes())
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    except ValueError:
        return "is not JSON"
    return "" if isinstance(content, dict) and content.get("default") else "has no `default`"
