"""MCP messages as data: JSON-RPC, the eras, extensions, what results must have."""
