#!/usr/bin/env bash
# Install the real servers whose tools the recall of the tool search is measured with: the npm packages (without their
# scripts) into tests/search/node_modules, the PyPI packages into .envs/search-mcp1 and .envs/search-mcp2: some need
# version 1 of the package mcp, some version 2. Everything is locked with hashes. Works from any directory.
set -euo pipefail

name=search
# shellcheck source=tests/support/install.sh
source "$(dirname "${BASH_SOURCE[0]}")/../support/install.sh"
install_python search-mcp1
install_python search-mcp2
install_node tests/search
