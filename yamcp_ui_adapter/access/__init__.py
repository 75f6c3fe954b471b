"""access.json: parses it, says what is wrong with it and where, and renames in it."""
