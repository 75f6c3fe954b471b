#!/usr/bin/env bash
# Install the clients of the matrix that no other test needs: Python ones into .envs/clients-mcp1 and .envs/clients-mcp2,
# the npm packages into tests/matrix/node_modules. Works from any directory.
set -euo pipefail

name=matrix
source "$(dirname "${BASH_SOURCE[0]}")/../support/install.sh"
install_python clients-mcp1
install_python clients-mcp2
install_node tests/matrix
