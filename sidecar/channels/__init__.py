"""Connections to MCP servers (`protocol.channel.Channel`), with a module for each transport."""
