"""The protocol between the hub's processes: messages, codec, client, server. Knows neither FastMCP nor YAMCP."""
