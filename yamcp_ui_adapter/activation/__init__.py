"""Installs entries of the catalogue, and adds them to the hub's servers."""
