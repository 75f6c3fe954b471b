"""MCP features as data: list items, JSON Schemas, exposed names, resource URIs, pagination, input requests."""
