"""The HTTP server: connections, who is let in, what a request must be."""
