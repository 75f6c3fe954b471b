"""Stdio servers in containers of podman or docker (docs/adr/0011-contained-servers.md)."""
