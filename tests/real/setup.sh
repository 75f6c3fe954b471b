#!/usr/bin/env bash
# Install the real clients and servers that the tests run: smolagents and mcp-server-time into .envs/smolagents,
# the npm packages into tests/real/node_modules. Works from any directory.
set -euo pipefail

name=real
source "$(dirname "${BASH_SOURCE[0]}")/../support/install.sh"
install_python smolagents
install_node tests/real
