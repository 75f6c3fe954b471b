"""Workspaces: the servers of each, its state, its view of their items, and its sessions."""
