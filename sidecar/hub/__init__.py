"""All workspaces, kept true to the snapshot, told and asked over the bridge."""
