"""Other programs that put stdio MCP servers behind HTTP, as they are measured beside the hub: installed by setup.sh, never committed."""
