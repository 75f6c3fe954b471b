"""One figure: what was measured, against what was promised."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Sense = Literal["<=", ">=", "<", ">", "=="]
SENSES: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "==": operator.eq,
}


@dataclass(frozen=True)
class Figure:
    """A measured value in `unit`; one without a target is given for comparison only."""

    name: str
    measured: float
    unit: str
    sense: Sense | None = None
    target: float | None = None
    note: str = ""
    error: str = ""
    """Why it could not be measured."""

    @property
    def verdict(self) -> str:
        """`passed`, `FAILED`, `-` for a figure without a target, or `not measured`."""
        if self.error:
            return "not measured"
        if self.sense is None or self.target is None:
            return "-"
        return "passed" if SENSES[self.sense](self.measured, self.target) else "FAILED"

    @property
    def bar(self) -> str:
        """The target as text."""
        return f"{self.sense} {number(self.target)} {self.unit}".rstrip() if self.target is not None else ""

    @property
    def value(self) -> str:
        """The measured value as text."""
        return "" if self.error else f"{number(self.measured)} {self.unit}".rstrip()


def number(value: float) -> str:
    """Three significant digits, thousands apart."""
    if math.isnan(value) or math.isinf(value):
        return str(value)
    if value == 0 or abs(value) >= 1000 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"
