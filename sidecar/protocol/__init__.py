"""MCP messages as data: JSON-RPC frames, protocol eras, extensions, validation of results."""
