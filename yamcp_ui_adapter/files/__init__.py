"""The files that are read: their contents, and when they change."""
