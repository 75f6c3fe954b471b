"""The catalogue: entries of servers that can be added, from several sources (docs/catalog.md)."""
