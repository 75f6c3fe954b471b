"""One server, kept connected and asked; and the pool of all of them."""
