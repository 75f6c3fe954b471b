"""Secrets that definitions of servers take from files and commands."""
