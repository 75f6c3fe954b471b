"""A workspace: its servers, its state, its view, its sessions."""
