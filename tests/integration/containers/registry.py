"""A registry of images over HTTP, read-only; signatures as cosign makes them, and as GnuPG does."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@dataclass
class Registry:
    """What it serves: blobs by digest, manifests by `NAME:TAG` and `NAME@DIGEST`. `address`: host and port."""

    address: str = ""
    blobs: dict[str, bytes | Path] = field(default_factory=dict)
    manifests: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    """The paths of all requests."""

    def put(self, name: str, directory: Path, tag: str = "latest", **annotations: str) -> str:
        """Serve an image that `podman push ... dir:` wrote; `annotations` make it another one. Returns its digest."""
        manifest = json.loads((directory / "manifest.json").read_bytes())
        for part in (manifest["config"], *manifest["layers"]):
            self.blobs[part["digest"]] = directory / part["digest"].partition(":")[2]
        content = {**manifest, "mediaType": MANIFEST, **({"annotations": annotations} if annotations else {})}
        return self._put(name, tag, content)

    def sign(self, name: str, digest: str, key: ec.EllipticCurvePrivateKey) -> None:
        """Attach a signature of an image, as `cosign sign --key` does."""
        payload = self.payload(name, digest, "cosign container image signature")
        signature = base64.b64encode(key.sign(payload, ec.ECDSA(hashes.SHA256()))).decode()
        layer = self._blob(payload, "application/vnd.dev.cosign.simplesigning.v1+json")
        layer["annotations"] = {"dev.cosignproject.cosign/signature": signature}
        rootfs = {"type": "layers", "diff_ids": [layer["digest"]]}
        text = json.dumps({"architecture": "", "os": "", "config": {}, "rootfs": rootfs}).encode()
        config = self._blob(text, "application/vnd.oci.image.config.v1+json")
        content = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]}
        self._put(name, f"{digest.replace(':', '-')}.sig", content)

    def payload(self, name: str, digest: str, kind: str) -> bytes:
        """What is signed of an image."""
        identity = {"docker-reference": f"{self.address}/{name}"}
        critical = {"identity": identity, "image": {"docker-manifest-digest": digest}, "type": kind}
        return json.dumps({"critical": critical, "optional": {}}).encode()

    def _blob(self, content: bytes, kind: str) -> dict[str, Any]:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self.blobs[digest] = content
        return {"mediaType": kind, "size": len(content), "digest": digest}

    def _put(self, name: str, tag: str, content: object) -> str:
        text = json.dumps(content).encode()
        digest = f"sha256:{hashlib.sha256(text).hexdigest()}"
        self.manifests[f"{name}/{tag}"] = self.manifests[f"{name}/{digest}"] = text
        return digest

    def found(self, path: str) -> tuple[str, bytes]:
        """The type and content at a path. Raises LookupError."""
        self.asked.append(path)
        if path == "/v2/":
            return "application/json", b"{}"
        name, kind, reference = path.removeprefix("/v2/").rsplit("/", 2)
        if kind == "manifests":
            return MANIFEST, self.manifests[f"{name}/{reference}"]
        blob = self.blobs[reference]
        return "application/octet-stream", blob if isinstance(blob, bytes) else blob.read_bytes()


@contextlib.contextmanager
def serving(registry: Registry) -> Iterator[None]:
    """Serve it at a free port of this machine."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                kind, content = registry.found(self.path)
            except LookupError:
                kind, content = "application/json", b'{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "unknown"}]}'
                self.send_response(404)
            else:
                self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        do_HEAD = do_GET  # noqa: N815 - http.server's name

        def log_message(self, *words: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        registry.address = f"127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def public_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The public key, as `cosign generate-key-pair` writes it."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form)
