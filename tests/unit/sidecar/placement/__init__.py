"""Tests of servers that only one replica runs."""
