"""Edits of YAMCP's files: what they change, and writing them beside YAMCP's own writes."""
