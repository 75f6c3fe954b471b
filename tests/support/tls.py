"""Certificates for tests."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple


class Pair(NamedTuple):
    """The files of a certificate and its key."""

    cert: Path
    key: Path


def certificate(directory: Path, name: str = "hub", host: str = "localhost") -> Pair:
    """One of its own authority, good for two days, for that host and 127.0.0.1: `<name>.pem` and `<name>.key`."""
    made = Pair(directory / f"{name}.pem", directory / f"{name}.key")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-keyout", made.key, "-out", made.cert, "-subj", f"/CN={host}", "-days", "2",
         "-addext", f"subjectAltName=DNS:{host},IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    return made
