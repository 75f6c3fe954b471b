"""Who imported what, read from what `-X importtime` writes."""

from __future__ import annotations

from bench.unneeded import _packages, needless

IMPORTTIME = """
import time: self [us] | cumulative | imported package
import time:       100 |        100 |     json
import time:      2000 |       2000 |       helper.deep
import time:      1000 |       3000 |     helper
import time:       500 |       3600 |   fastmcp
import time:       700 |        700 |   heavy
import time:       300 |       4600 | sidecar.app
import time:       100 |       4700 | sidecar
"""


def test_packages_are_counted_with_who_imported_them_first() -> None:
    """The standard library is nobody's fault."""
    found = _packages(IMPORTTIME)
    assert {name: package.importer for name, package in found.items()} == {
        "sidecar": "",
        "fastmcp": "sidecar",
        "heavy": "sidecar",
        "helper": "fastmcp",
    }
    assert (found["helper"].modules, found["helper"].ms) == (2, 3.0)


def test_needless_is_what_the_sidecar_itself_imports_without_a_reason() -> None:
    """What FastMCP brings along is not ours to leave out."""
    assert needless(_packages(IMPORTTIME)) == ["heavy"]
