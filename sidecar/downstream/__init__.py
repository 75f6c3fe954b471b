"""The HTTP transports for clients (HTTP+SSE, Streamable HTTP), and the router that dispatches requests to them."""
