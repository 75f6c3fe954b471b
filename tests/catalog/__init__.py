"""Checks of the catalogue's shipped entries: each that needs no key is installed, started, and asked for its tools."""
