#!/usr/bin/env bash
# Install what tests run of others: smolagents and mcp-server-time into .envs/smolagents, schemathesis into .envs/schemathesis,
# the npm packages into tests/real/node_modules. Works from any directory.
set -euo pipefail

name=real
source "$(dirname "${BASH_SOURCE[0]}")/../support/install.sh"
install_python smolagents
install_python schemathesis
install_node tests/real
