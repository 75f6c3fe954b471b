"""The image is built on what was looked at, not on what a tag means today."""

from __future__ import annotations

import re
from pathlib import Path

TEXT = (Path(__file__).resolve().parents[2] / "Dockerfile").read_text()


def test_every_base_image_is_named_by_digest() -> None:
    """Each FROM names a stage above it, or the build argument BASE, whose default has a digest."""
    bases = re.findall(r"^ARG BASE=(\S+)$", TEXT, re.MULTILINE)
    assert len(bases) == 1
    assert re.fullmatch(r"[a-z0-9./:-]+@sha256:[0-9a-f]{64}", bases[0])
    stages: set[str] = {"scratch"}
    for image, stage in re.findall(r"^FROM (?:--\S+ )?(\S+)(?: AS (\S+))?$", TEXT, re.MULTILINE):
        assert image == "${BASE}" or image in stages, image
        stages.add(stage)
