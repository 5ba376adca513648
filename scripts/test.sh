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
# The fault tests fill real small disks (tmpfs) and need to mount them; as root they can, else they say so.
cargo nextest run --workspace --locked --no-fail-fast "$@"
