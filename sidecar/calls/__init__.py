"""Answers the requests of clients: on the direct way, by the relay, or by FastMCP."""
