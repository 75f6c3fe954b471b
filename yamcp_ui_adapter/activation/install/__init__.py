"""Installs packages into folders of the hub, in processes that do not outlive it."""
