#!/usr/bin/env bash
# Tries inputs on every fuzz target, guided by coverage, for some seconds each; fails where one breaks a promise, takes
# too long or too much memory. Works with the toolchain of rust-toolchain.toml: coverage is a pass of the compiler, and
# libFuzzer comes with libfuzzer-sys.
#   scripts/fuzz.sh                        every target for a minute
#   scripts/fuzz.sh 3600 door log          these two for an hour each
#   scripts/fuzz.sh --again door FILE      one input once more
#   FUZZ_SEED=7 scripts/fuzz.sh            begins with the same dice; without it they are others each time
#   scripts/fuzz.sh --keep [TARGET...]     puts what reaches most of what was found into fuzz/corpus
# It begins with fuzz/seeds and fuzz/corpus. What it finds grows in fuzz/target/grown, failing inputs lie in
# fuzz/artifacts; neither is part of the repository.
set -euo pipefail
cd "$(dirname "$0")/.."

# Of one input: none needs more than a few milliseconds and megabytes; machines may be slow and busy.
input_seconds_max=20
input_bytes_max=4096
memory_mib_max=2048
# Neither larger inputs than this are kept, nor more for each target.
kept_bytes_max=1024
kept_inputs_max=120

host="$(rustc -vV | sed -n 's/^host: //p')"
built="fuzz/target/$host/release"

all_targets() { sed -n '/^\[\[bin\]\]/{n;s/^name = "\(.*\)"/\1/p}' fuzz/Cargo.toml; }

need_compiler() {
    if command -v "${CXX:-c++}" >/dev/null; then
        return
    fi
    if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
        echo "a C++ compiler is missing, which builds libFuzzer: install g++, or run this script as root" >&2
        exit 1
    fi
    echo "installing g++" >&2
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq g++ >&2
}

# `--target`, so that build scripts and macros are built without coverage.
build() {
    need_compiler
    RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing" \
        cargo build --manifest-path fuzz/Cargo.toml --target-dir fuzz/target --target "$host" --release --bins --locked
}

# What stands in the repository for a target.
kept_dirs() {
    local dir
    for dir in "fuzz/corpus/$1" "fuzz/seeds/$1"; do
        if [ -d "$dir" ]; then echo "$dir"; fi
    done
}

# One number of a log, from its last line that has it.
figure() { sed -n "s/.*$2 *\([0-9][0-9]*\).*/\1/p" "$1" | tail -n 1; }

# Says which input a target failed on, and how to try it again.
tell_failure() {
    local target="$1" log="$2" artifact
    grep -a -v -e '^#' -e '^INFO' -e 'NEW_FUNC' -e '^WARNING: Failed to find' -e '^stat::' "$log" | head -c 4000 >&2 || true
    echo >&2
    artifact="$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)"
    if [ -z "$artifact" ]; then
        echo "FAILED: target $target ended without naming an input (a stack overflow or a kill looks like this);" \
            "$(grep -m 1 'INFO: Seed' "$log" || true)" >&2
        return
    fi
    echo "FAILED: target $target on the $(wc -c <"$artifact") bytes of $artifact" >&2
    echo "  hex     $(od -An -v -tx1 "$artifact" | tr -d ' \n' | head -c 2000)" >&2
    echo "  again   base64 -d <<<'$(base64 -w 0 "$artifact")' >input && scripts/fuzz.sh --again $target input" >&2
}

# One target for some seconds. libFuzzer writes what it finds into the first directory.
run() {
    local target="$1" seconds="$2" log dirs started
    log="fuzz/target/$target.log"
    mkdir -p "fuzz/target/grown/$target" "fuzz/artifacts/$target"
    mapfile -t dirs < <(kept_dirs "$target")
    if ! TMPDIR="$scratch" "$built/$target" "fuzz/target/grown/$target" "${dirs[@]}" \
        ${FUZZ_SEED:+-seed="$FUZZ_SEED"} -max_total_time="$seconds" -timeout="$input_seconds_max" -rss_limit_mb="$memory_mib_max" \
        -max_len="$input_bytes_max" -artifact_prefix="fuzz/artifacts/$target/" -print_final_stats=1 \
        >"$log" 2>&1; then
        tell_failure "$target" "$log"
        return 1
    fi
    started="$(sed -n 's/.*INITED cov: \([0-9]*\).*/\1/p' "$log")"
    if [ "${started:-0}" -eq 0 ]; then
        echo "FAILED: target $target reports no coverage; was it built without its flags?" >&2
        return 1
    fi
    printf '%-8s %9s executions, cov %s -> %s, corpus %s inputs, %s MiB at most\n' "$target" \
        "$(figure "$log" 'number_of_executed_units:')" "$started" "$(figure "$log" ' cov:')" \
        "$(figure "$log" ' corp:')" "$(figure "$log" 'peak_rss_mb:')"
}

# Of what is kept and what has grown: those inputs that reach most together. libFuzzer's own choice would be everything
# that reaches one place more, which is thousands of files for rows with many names in them.
keep() {
    local target="$1" dirs seen="$scratch/$1.seen"
    mapfile -t dirs < <(kept_dirs "$target")
    mkdir -p "fuzz/target/grown/$target" "$scratch/$target"
    TMPDIR="$scratch" "$built/$target" -merge=1 -merge_control_file="$seen" -use_counters=0 -use_cmp=0 \
        -max_len="$kept_bytes_max" -rss_limit_mb="$memory_mib_max" \
        "$scratch/$target" "${dirs[@]}" "fuzz/target/grown/$target" >"fuzz/target/$target.log" 2>&1
    python3 scripts/fuzz_choose.py "$seen" "$kept_inputs_max" "$scratch/$target.chosen"
    rm -rf "fuzz/corpus/$target"
    mkdir -p fuzz/corpus
    mv "$scratch/$target.chosen" "fuzz/corpus/$target"
    echo "$target: $(find "fuzz/corpus/$target" -type f | wc -l) inputs," \
        "$(cat "fuzz/corpus/$target"/* | wc -c) bytes"
}

mode=run seconds=60
case "${1:-}" in
--again)
    build
    exec "$built/$2" -timeout="$input_seconds_max" -rss_limit_mb="$memory_mib_max" "$3"
    ;;
--keep)
    mode=keep
    shift
    ;;
[0-9]*)
    seconds="$1"
    shift
    ;;
esac
mapfile -t targets < <(if [ $# -gt 0 ]; then printf '%s\n' "$@"; else all_targets; fi)
build
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
failed=()
for target in "${targets[@]}"; do
    case "$mode" in
    keep) keep "$target" ;;
    run) run "$target" "$seconds" || failed+=("$target") ;;
    esac
done
if [ "${#failed[@]}" -gt 0 ]; then
    echo "failed: ${failed[*]}" >&2
    exit 1
fi
