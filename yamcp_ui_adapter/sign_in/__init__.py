"""Sign-in: OAuth clients, codes, tokens and grants, users and browser logins (docs/oauth.md, ADR 40).

`state.py` and what it is made of are pure: each operation returns the records that say what it changes. `service.py`
appends these to the journal (`store.py`), and applies them when they are written.
"""
