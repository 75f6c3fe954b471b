"""The protocol between the hub's processes: messages, codec, client, server. Independent of FastMCP and YAMCP."""
