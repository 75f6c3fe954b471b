"""The hub's own tools in workspaces: state, calls of other tools, several at a time (docs/hub-tools.md)."""
