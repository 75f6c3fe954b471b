"""Edits YAMCP's files: computes the changed documents, and writes them safely beside YAMCP's own writes."""
