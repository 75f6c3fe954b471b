"""What the scenes found, and where docs/scaling.md shows it."""

from __future__ import annotations

import datetime
import os
from collections import Counter
from dataclasses import dataclass, field

from bench import scaling
from tests.support.yamcp import ROOT

DOCUMENT = ROOT / "docs/scaling.md"
BEGIN, END = "<!-- replicas: written by make replicas WRITE=1 -->", "<!-- replicas: end -->"


@dataclass
class Report:
    """Rows of a table: what was looked at, what was wanted, what was found, and whether that is so."""

    rows: list[tuple[str, str, str, bool]] = field(default_factory=list)
    measured: dict[str, float] = field(default_factory=dict)
    """Of one replica, for the simulation (`bench.scaling.Figures`)."""

    def none(self, what: str, found: Counter[str] | int, note: str = "") -> None:
        """Nothing of this may happen."""
        number = found if isinstance(found, int) else found.total()
        codes = "" if isinstance(found, int) or not found else ": " + ", ".join(f"{n} {c}" for c, n in found.items())
        self.add(what, "0", f"{number:,}{codes}{note}", number == 0)

    def add(self, what: str, wanted: str, found: str, holds: bool = True) -> None:
        """Any other figure."""
        self.rows.append((what, wanted, found, holds))
        print(
            f"{'ok    ' if holds else 'FAILED'} {what}: {found}" + (f" (wanted: {wanted})" if wanted else ""),
            flush=True,
        )

    @property
    def failed(self) -> int:
        """Rows that are not as wanted."""
        return sum(not holds for *_, holds in self.rows)

    def table(self) -> str:
        """In Markdown, with the date."""
        day = datetime.datetime.now(datetime.UTC).date()
        lines = [f"{day}, {os.cpu_count()} cores for all processes, clients included:", ""]
        lines += ["| | wanted | found | |", "|---|---|---|---|"]
        lines += [
            f"| {what} | {wanted} | {found} | {'' if ok else 'failed'} |" for what, wanted, found, ok in self.rows
        ]
        return "\n".join(lines)

    def write(self) -> None:
        """Put it into the document, in place of the last one, with what follows from it for many replicas."""
        text = DOCUMENT.read_text("utf-8")
        before, rest = text.split(BEGIN)
        DOCUMENT.write_text(f"{before}{BEGIN}\n\n{self.table()}\n\n{END}{rest.split(END)[1]}", "utf-8")
        scaling.store(**self.measured)
        scaling.write("paper", scaling.table(scaling.load()))
