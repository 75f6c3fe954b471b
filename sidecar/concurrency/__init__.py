"""asyncio tools, independent of MCP: timeouts, cancel scopes, a fair semaphore."""
