#!/usr/bin/env bash
# Counts the engine's instructions for one document of three fresh codes (parse, policy, look-up, claim, verdict,
# log; no gRPC, no sync) and compares them with the limit in load-tests/instructions.limit.
#   scripts/instructions.sh            fails where the limit is passed by more than its tolerance
#   scripts/instructions.sh --profile  also says which functions they belong to
#   scripts/instructions.sh --books    also says how many of them cases and tallies add, and to a duplicate
# Runs N and 3 N documents, all made beforehand: in the difference everything that happens once drops out. With fewer
# documents the number depends on how they happen to share groups: 93,000 to 122,000 were seen at 1,500.
set -euo pipefail
cd "$(dirname "$0")/.."

documents=4000
many=$((3 * documents))
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
    local documents="$1"
    shift
    valgrind --tool=callgrind --fair-sched=yes --callgrind-out-file="$folder/$documents.callgrind" \
        target/instructions/load-tests engine --documents "$documents" --prepared "$many" --rounds 1 \
        --in-flight 64 --institutions 100 --drugs 50 --out "$folder/engine.json" "$@" \
        >"$folder/said" 2>&1 || { cat "$folder/said" >&2; return 1; }
    grep -oP 'Collected : \K[0-9]+' "$folder/said"
}

# Instructions for one document.
each_document() {
    local once thrice
    once="$(count "$documents" "$@")"
    thrice="$(count "$many" "$@")"
    echo $(((thrice - once) / (many - documents)))
}

three=(--codes 3 --lines 2)
each="$(each_document "${three[@]}")"
most=$((limit + limit * tolerance / 100))
echo "instructions for one document: $each (limit $limit, at most $most)"
if [[ "${1:-}" == --profile ]]; then
    callgrind_annotate --inclusive=yes "$folder/$many.callgrind" | head -n 80
fi
if [[ "${1:-}" == --books ]]; then
    without="$(each_document "${three[@]}" --without-books)"
    echo "without cases and tallies: $without; they add $(((each - without) * 10000 / without)) in 10,000"
    # Of one box: the boxes once more, less the boxes alone.
    duplicate="$(($(each_document --codes 1 --lines 1 --again) - $(each_document --codes 1 --lines 1)))"
    bare="$(each_document --codes 1 --lines 1 --again --without-books)"
    bare="$((bare - $(each_document --codes 1 --lines 1 --without-books)))"
    echo "for one duplicate: $duplicate, without them $bare; they add $(((duplicate - bare) * 10000 / bare)) in 10,000"
fi
if ((each > most)); then
    echo "the engine does more for a document than it did: make it faster, or raise the limit in" \
        "load-tests/instructions.limit and say why in the commit" >&2
    exit 1
fi
if ((each < limit - limit * tolerance / 100)); then
    echo "the engine does less than the limit: lower it to $each in load-tests/instructions.limit"
fi
