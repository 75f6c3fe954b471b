"""`hubctl connect`: write a workspace into the configuration of an MCP client."""
