#!/usr/bin/env bash
# Counts the engine's instructions for one document of three fresh codes (parse, policy, look-up, claim, verdict,
# log; no gRPC, no sync) and compares them with the limit in load-tests/instructions.limit.
#   scripts/instructions.sh            fails where the limit is passed by more than its tolerance
#   scripts/instructions.sh --profile  also says which functions they belong to
# Runs N and 2 N documents, both made beforehand: in the difference everything that happens once drops out.
set -euo pipefail
cd "$(dirname "$0")/.."

documents=1500
limit="$(grep -oP '^instructions_per_document = \K[0-9]+' load-tests/instructions.limit)"
tolerance="$(grep -oP '^tolerance_percent = \K[0-9]+' load-tests/instructions.limit)"

if ! command -v valgrind >/dev/null; then
    echo "valgrind is missing: apt-get install valgrind" >&2
    exit 1
fi
cargo build --profile instructions --locked --package load-tests
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT

# Instructions of all threads for a number of documents.
count() {
    valgrind --tool=callgrind --fair-sched=yes --callgrind-out-file="$folder/$1.callgrind" \
        target/instructions/load-tests engine --documents "$1" --prepared $((2 * documents)) --rounds 1 \
        --in-flight 64 --codes 3 --lines 2 --institutions 100 --drugs 50 --out "$folder/engine.json" \
        >"$folder/said" 2>&1 || { cat "$folder/said" >&2; return 1; }
    grep -oP 'Collected : \K[0-9]+' "$folder/said"
}

once="$(count "$documents")"
twice="$(count $((2 * documents)))"
each=$(((twice - once) / documents))
most=$((limit + limit * tolerance / 100))
echo "instructions for one document: $each (limit $limit, at most $most)"
if [[ "${1:-}" == --profile ]]; then
    callgrind_annotate --inclusive=yes "$folder/$((2 * documents)).callgrind" | head -n 80
fi
if ((each > most)); then
    echo "the engine does more for a document than it did: make it faster, or raise the limit in" \
        "load-tests/instructions.limit and say why in the commit" >&2
    exit 1
fi
if ((each < limit - limit * tolerance / 100)); then
    echo "the engine does less than the limit: lower it to $each in load-tests/instructions.limit"
fi
