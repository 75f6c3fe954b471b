"""The owner of desired state: reads YAMCP's files and hub.json, and publishes snapshots over the bridge."""
