# syntax=docker/dockerfile:1
# dbackup with its web UI and the dump tools, as a user without rights. docs/guide/getting-started.md says how to run it.

FROM node:24-bookworm-slim AS web
WORKDIR /src/web
COPY web/package.json web/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY web ./
# Its help pages.
COPY docs/guide ../docs/guide
RUN npm run build

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
COPY --from=web /src/web/dist/app web/dist/app
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked --package dbackup && cp target/release/dbackup /dbackup

FROM debian:bookworm-slim
# PostgreSQL's own packages: servers before 17 need tools before 17, later ones tools that are as new as they are.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates postgresql-common \
    && /usr/share/postgresql-common/pgdg/apt.postgresql.org.sh -y \
    && apt-get install -y --no-install-recommends postgresql-client-16 postgresql-client-18 \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --system --gid 10001 dbackup \
    && useradd --system --uid 10001 --gid dbackup --home-dir /data --shell /usr/sbin/nologin dbackup \
    && install -d -o dbackup -g dbackup -m 700 /data
COPY --from=build /dbackup /usr/local/bin/dbackup
USER 10001:10001
ENV DBACKUP_DATA=/data DBACKUP_LISTEN=0.0.0.0:3000
VOLUME /data
EXPOSE 3000
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["dbackup", "health"]
ENTRYPOINT ["dbackup"]
CMD ["serve"]
