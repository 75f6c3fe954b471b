"""When a server is started, tried again, checked and put to sleep, and the state that this leads to."""
