"""Servers as they should not be, by the name of their habit: what tests serve to the hub, and what clients must get."""
