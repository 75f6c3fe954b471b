"""Large answers of servers: parsed in a separate process and forwarded in pieces, so that other requests go on."""
