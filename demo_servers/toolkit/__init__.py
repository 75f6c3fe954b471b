"""What the demo servers are made of: an MCP server over stdio, for both protocol eras."""
