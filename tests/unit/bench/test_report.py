"""The comparison's tables and plot, from made-up measurements."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from bench.compare import DIRECT, Row, Scenario, fastest
from bench.figure import Figure
from bench.report import Comparison
from bench.ways import BARE, HUB, PROXY

TEN = Scenario("sse", 10, 20)
BIG = Scenario("sse", 10, 64 * 1024)


def _comparison() -> Comparison:
    rows = [Row(HUB, [90, 100, 200], [1.0], [2.0], [3.0]), Row(BARE, [150.0], [0.5], [1.0], [2.0])]
    rows += [
        Row(PROXY, [500.0], errors=3, note="3 of 9 calls failed: a | b"),
        Row(DIRECT, [400.0], [0.1], [0.2], [0.3]),
    ]
    it = Comparison({"cpu": "one"}, (HUB, BARE, PROXY, "gone"), {TEN: {row.way: row for row in rows}})
    it.notes["gone"] = "not installed"
    it.start = {HUB: 1.5, BARE: 0.25, PROXY: "TimeoutError: ", "gone": "not installed"}
    it.figures = [Figure("edit", 50.0, "ms", note="40 edits")]
    return it


def test_scenarios_say_how_many_and_how_big() -> None:
    """A small result comes from the request, a big one is made by the server."""
    assert TEN.title == "SSE, 10 clients, 20 B"
    assert TEN.call == ("echo", {"text": "x" * 20})
    assert BIG.title == "SSE, 10 clients, 64 kB"
    assert BIG.call == ("blob", {"size": 65536})


def test_way_whose_calls_fail_has_no_figure_and_is_not_the_fastest() -> None:
    """However many calls/s it answered with errors."""
    table = _comparison().tables[TEN]
    assert not table[PROXY].works
    found = fastest(table, (PROXY, BARE))
    assert found is not None and found.way == BARE
    assert fastest(table, (PROXY, "gone")) is None


def test_markdown_has_medians_ratios_to_the_hub_and_why_a_figure_lacks() -> None:
    """Every way has a line in the mode's table and one in that of start and memory."""
    lines = _comparison().as_markdown().splitlines()
    assert "| the hub | 100 (1.00), 1.00 / 2.00 / 3.00 |  |" in lines
    assert "| bare relay | 150 (1.50), 0.50 / 1.00 / 2.00 |  |" in lines
    assert "| FastMCP create_proxy | - | 3 of 9 calls failed: a \\| b |" in lines
    assert "| gone | - | not installed |" in lines
    assert "| the hub | 1.50 | - | - | - |  |" in lines
    assert "| edit | 50 ms | 40 edits |" in lines


def test_plot_is_an_image_with_a_bar_for_each_that_has_a_figure() -> None:
    """One rectangle is the paper; the hub's has a colour of its own."""
    root = ET.fromstring(_comparison().plot())
    bars = root.findall("{http://www.w3.org/2000/svg}rect")[1:]
    assert [round(float(bar.attrib["width"])) for bar in bars] == [480, 180, 120]
    assert len({bar.attrib["fill"] for bar in bars}) == 2
