"""The hub: runs the workspaces of the newest snapshot, and serves the bridge (status, commands, events)."""
