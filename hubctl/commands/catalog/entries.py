"""`hubctl catalog find` and `hubctl catalog show`."""

from __future__ import annotations

import argparse
import shlex

from bridge.models.catalog.activation import CatalogInput
from bridge.models.catalog.entries import CatalogCard, CatalogFind, CatalogShow, CatalogSummary
from hubctl.context import Context
from hubctl.render import clean, table


async def find(context: Context, arguments: argparse.Namespace) -> int:
    """Run `hubctl catalog find`."""
    body = CatalogFind(
        text=" ".join(arguments.text),
        source=arguments.source,
        category=arguments.category,
        without_keys=arguments.without_keys,
        limit=arguments.limit,
    )
    async with context.desired() as adapter:
        page = await adapter.request(body)
    if context.json:
        context.emit(page)
        return 0
    if not page.entries:
        context.say("No entry of the catalogue fits. `hubctl catalog sources` lists where entries come from.")
        return 0
    rows = [_row(each) for each in page.entries]
    context.say(*table(["name", "version", "what", "state"], rows, context.paint, context.columns, whole=("name",)))
    if page.total > len(page.entries):
        context.say(f"{page.total} entries fit; `--limit` shows more of them.")
    return 0


def _row(entry: CatalogSummary) -> list[str]:
    states: list[str] = [] if entry.status == "active" else [entry.status]
    states += ["installed"] if entry.installed else []
    states += ["needs no key"] if entry.without_keys else []
    return [clean(entry.name), clean(entry.version), clean(entry.description), ", ".join(states)]


async def show(context: Context, arguments: argparse.Namespace) -> int:
    """Run `hubctl catalog show`."""
    async with context.desired() as adapter:
        card = await adapter.request(
            CatalogShow(name=arguments.name, version=arguments.version, source=arguments.source)
        )
    if context.json:
        context.emit(card)
    else:
        context.say(*card_lines(card))
    return 0


def card_lines(card: CatalogCard) -> list[str]:
    """What an entry would run, what that may reach, and what it asks for."""
    entry = card.summary
    lines = [f"{clean(entry.title)}  {clean(entry.name)} {clean(entry.version)} ({entry.source}, {entry.status})"]
    lines.append(clean(entry.description))
    lines += [f"Note: {clean(entry.note)}."] if entry.note else []
    if card.problem is not None:
        return [*lines, f"It cannot be added: {clean(card.problem.message)}"]
    lines.append(f"Runs: {clean(shlex.join(card.command))}")
    lines += [clean(text) for text in card.reach]
    checked = entry.checked
    if checked.started:
        tools = f", with {checked.tools} tools" if checked.tools is not None else ""
        lines.append(f"Checked: started on {clean(checked.started)}{tools}.")
    elif checked.registry:
        lines.append(f"Checked: the version was there on {clean(checked.registry)}; it was not started.")
    return [*lines, *map(_input_line, (each for each in card.inputs if each.fixed is None))]


def _input_line(one: CatalogInput) -> str:
    kind = "secret" if one.secret else one.format
    needed = "required" if one.required else f"default {one.default}" if one.default is not None else "optional"
    what = f": {one.description}" if one.description else ""
    return clean(f"  {one.name} ({kind}, {needed}){what}")
