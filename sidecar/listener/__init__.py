"""The HTTP server: connections of clients and their limits, authentication, and checks of requests."""
