"""`hubctl run WORKSPACE`: a bridge between a client on stdin and stdout and its workspace."""
