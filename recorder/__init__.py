"""The recorder: the process that stores calls, sessions, changes and sign-ins, and answers questions about them."""
