"""Commands about the history: recorded calls, changes of the configuration, and their database."""
