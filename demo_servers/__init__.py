"""Two small MCP servers to begin with, and a mock server for tests; only the standard library, run as programs."""
