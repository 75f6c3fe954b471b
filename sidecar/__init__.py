"""The aggregator: runs MCP servers and serves each workspace as an MCP endpoint."""
