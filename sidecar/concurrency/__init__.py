"""Tools for asyncio that know nothing of MCP: timeouts, cancel scopes, a fair semaphore."""
