"""Kept results of tool calls: off unless a server or a workspace names tools (docs/cache.md)."""
