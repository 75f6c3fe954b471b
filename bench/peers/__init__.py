"""Other programs that put stdio MCP servers behind HTTP, measured beside the hub; setup.sh installs them."""
