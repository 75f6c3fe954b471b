#!/usr/bin/env bash
# Write base/yamcp-hub.yaml from the Helm chart, without what says that Helm manages it. HELM names the command.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
{
  echo "# Made by deploy/kustomize/render.sh of charts/yamcp-hub with values.yaml beside that; edit an overlay instead."
  "${HELM:-helm}" template yamcp-hub "$here/../../charts/yamcp-hub" --values "$here/values.yaml" --namespace yamcp-hub \
    | grep -v -e '^# Source: ' -e '^ *helm.sh/chart: ' -e '^ *app.kubernetes.io/managed-by: '
} >"${1:-$here/base/yamcp-hub.yaml}"
