"""Frame channels, one module a transport."""
