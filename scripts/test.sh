#!/usr/bin/env bash
# Runs every test, and installs what the tests need where it is missing.
#   scripts/test.sh              everything
#   scripts/test.sh -E 'test(days)'   further arguments go to cargo nextest
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v cargo >/dev/null; then
    echo "cargo is missing: install Rust (see rust-toolchain.toml for the version)" >&2
    exit 1
fi
if ! cargo nextest --version >/dev/null 2>&1; then
    echo "installing cargo-nextest" >&2
    cargo install --locked cargo-nextest
fi
# The tests of the ledger in Redis start servers of their own, on free ports.
if ! command -v redis-server >/dev/null; then
    if ! command -v apt-get >/dev/null; then
        echo "redis-server is missing and there is no apt-get here: install Redis 7.0 or newer" >&2
        exit 1
    fi
    if [ "$(id -u)" -ne 0 ]; then
        echo "redis-server is missing: run 'sudo apt-get install redis-server', or this script as root" >&2
        exit 1
    fi
    echo "installing redis-server" >&2
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq redis-server >&2
    # The package may start a server for the whole machine, which no test uses.
    service redis-server stop >/dev/null 2>&1 || true
fi
redis_version="$(redis-server --version | sed -n 's/.* v=\([0-9]*\)\..*/\1/p')"
if [ "${redis_version:-0}" -lt 7 ]; then
    echo "the tests need Redis 7.0 or newer, this is: $(redis-server --version)" >&2
    exit 1
fi
# The fault tests fill real small disks (tmpfs) and need to mount them; as root they can, else they say so.
cargo nextest run --workspace --locked --no-fail-fast "$@"
