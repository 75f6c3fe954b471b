"""The transports to clients, and the router in front of them."""
