"""Measurements of the hub: every figure that the project promises, made by `make bars`."""
