"""What took longest in `make test`: `python -m tests.slowest DIRECTORY` reads the JUnit XML files of its suites."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

SHOWN = 20


def seconds_of_tests(report: Path) -> list[tuple[float, str]]:
    """Each test of a suite with the seconds that it took, set-up and clean-up included (pytest) or not (node)."""
    cases = ElementTree.parse(report).iter("testcase")
    return [(float(case.get("time", 0)), f"{case.get('classname')} {case.get('name')}") for case in cases]


def main(directory: Path) -> None:
    """Print the seconds of each suite and the slowest tests of all suites."""
    tests = {report.stem: seconds_of_tests(report) for report in sorted(directory.glob("*.xml"))}
    sums = {suite: sum(seconds for seconds, _ in tests[suite]) for suite in tests}
    print("test: seconds of the suites:", ", ".join(f"{suite} {seconds:.0f}" for suite, seconds in sums.items()))
    print(f"test: the slowest {SHOWN}")
    every = [(seconds, f"{suite}: {test}") for suite in tests for seconds, test in tests[suite]]
    for seconds, test in sorted(every, reverse=True)[:SHOWN]:
        print(f"{seconds:8.1f} s  {test}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
