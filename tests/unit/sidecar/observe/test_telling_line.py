"""The line of stderr that tells."""

from __future__ import annotations

import pytest

from sidecar.observe.telling_line import LONGEST, telling_line

NODE = """node:internal/modules/cjs/loader:1143
  throw err;
  ^

Error: Cannot find module '/srv/x.js'
    at Module._resolveFilename (node:internal/modules/cjs/loader:1140:15)
    at node:internal/main/run_main_module:28:49 {
  code: 'MODULE_NOT_FOUND',
}

Node.js v20.20.2"""
PYTHON = """Traceback (most recent call last):
  File "/srv/errors/main.py", line 3, in <module>
    import nothing
ModuleNotFoundError: No module named 'nothing'"""
NPM = """npm error code E404
npm error 404 Not Found - GET https://registry.example/@scope%2fnone - Not found
npm error A complete log of this run can be found in: /root/.npm/_logs/x.log"""
CASES = [
    (NODE, "Error: Cannot find module '/srv/x.js'"),
    (PYTHON, "ModuleNotFoundError: No module named 'nothing'"),
    (NPM, "npm error 404 Not Found - GET https://registry.example/@scope%2fnone - Not found"),
    ("starting\nsh: 1: foo: not found\nbye", "sh: 1: foo: not found"),
    ("listening\nconnect ECONNREFUSED 127.0.0.1:5432\n  at x", "connect ECONNREFUSED 127.0.0.1:5432"),
    ("one\n  two  \n\n", "two"),
    ("  at x (y)\n", ""),
    ("", ""),
    ("error: " + "x" * 2 * LONGEST, ("error: " + "x" * LONGEST)[:LONGEST]),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_the_line_that_tells(text: str, expected: str) -> None:
    """Not the last frame of a trace, nor the version of the program."""
    assert telling_line(text.split("\n")) == expected
