"""The hub as a client: connections to MCP servers, requests over them, and the pool of all upstreams."""
