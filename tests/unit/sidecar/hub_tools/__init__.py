"""The hub's own tools."""
