"""`hubctl run <workspace>`: a client on stdin and stdout, connected to its workspace."""
