"""Large answers of servers: read by a process of their own, and passed on in pieces, so that nobody else waits."""
