"""Real clients of other projects against a real hub, and the document that shows how each connects."""
