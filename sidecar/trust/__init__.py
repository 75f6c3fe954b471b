"""Trust: pins what clients see of servers' tools, shows or withholds what changes, and looks for poisoned texts."""
