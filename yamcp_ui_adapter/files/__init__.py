"""Reads YAMCP's files and hub.json, and watches them for changes."""
