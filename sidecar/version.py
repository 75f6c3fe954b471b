"""The version of the hub, as clients, servers and the status see it."""

from importlib.metadata import version

VERSION = version("yamcp-hub")
