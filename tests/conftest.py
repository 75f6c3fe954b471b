"""What holds for every suite of pytest."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.properties import leave_out_constants, register_profiles

register_profiles()  # before hypothesis reads --hypothesis-profile


@pytest.hookimpl(trylast=True)
def pytest_configure() -> None:
    """Hypothesis has loaded the profile that was asked for."""
    leave_out_constants()


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtestloop(session: pytest.Session) -> Iterator[None]:
    """Remove the incomplete coverage data of killed processes before pytest-cov, an outer wrapper, combines it all."""
    result = yield
    if session.config.pluginmanager.hasplugin("_cov"):
        from tests.coverage_files import remove_incomplete

        data = Path(os.environ.get("COVERAGE_FILE", ".coverage"))
        remove_incomplete(data.parent.glob(f"{data.name}.*"))
    return result
