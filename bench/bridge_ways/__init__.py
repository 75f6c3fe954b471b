"""Three ways for two processes of the hub to talk: ZeroMQ ipc, HTTP on loopback, JSON lines on a Unix socket."""
