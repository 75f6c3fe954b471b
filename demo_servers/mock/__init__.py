"""The mock server for tests: every kind of answer, and, behind flags, every kind of trouble."""
