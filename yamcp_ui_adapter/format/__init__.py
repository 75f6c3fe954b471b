"""YAMCP's files and hub.json: parsed, checked, and where things stand in them (pure)."""
