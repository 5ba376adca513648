#!/usr/bin/env bash
# Breaks one rule after the other in a copy of the tree and shows which named tests notice.
# Ends with an error if a mutation goes unnoticed. Takes about half a minute a mutation.
set -euo pipefail
cd "$(dirname "$0")/.."
copy="$(mktemp -d)"
trap 'rm -rf "$copy"' EXIT
export CARGO_TARGET_DIR="${MUTATIONS_TARGET_DIR:-$PWD/target/mutations}"
tests='test(domain::judge::) or test(domain::claim::tests::properties::) or test(policy_files::)'

# file | what stands there | what is put in its place
mutations=(
    'src/domain/claim/conflict.rs|gap <= lens.close_window|gap < lens.close_window'
    'src/domain/claim/fold.rs|with_holds && lens.now < expires_at|with_holds \&\& lens.now <= expires_at'
    'src/domain/claim/fold.rs|self.visit.is_some() && self.visit == sale.visit|false'
    'src/domain/claim/mod.rs|> self.proposal_limit|>= self.proposal_limit'
    'src/domain/judge/bench.rs|== Payment::SelfPaid && !is_never_capped(reason)|== Payment::SelfPaid \&\& is_never_capped(reason)'
    'src/domain/judge/claims.rs|let repeated = whole \|\| \*before;|let repeated = whole \&\& *before;'
    'src/domain/judge/codes.rs| && !drug.carton_only| \&\& drug.carton_only'
    'src/domain/judge/purchases.rs|if sold > position.bought()|if sold >= position.bought()'
    'src/domain/judge/purchases.rs|duration_since(at) > lag|duration_since(at) >= lag'
    'src/domain/judge/quantity.rs|at.day <= settings.no_code_list_until|at.day < settings.no_code_list_until'
    'src/domain/judge/sale.rs|duration_since(\*at) > limit|duration_since(*at) >= limit'
    'src/domain/judge/sale.rs|duration_since(now) > skew|duration_since(now) >= skew'
    'policy/national.toml|no_code_list_until = 2025-12-31|no_code_list_until = 2026-12-31'
)

unnoticed=0
for mutation in "${mutations[@]}"; do
    # A backslash keeps a bar from separating.
    split="${mutation//\\|/$'\x01'}"
    IFS='|' read -r file from to <<<"$split"
    from="${from//$'\x01'/|}" to="${to//$'\x01'/|}"
    rm -rf "${copy:?}/tree" && mkdir "$copy/tree"
    git ls-files -z | tar c --null --files-from=- | tar x -C "$copy/tree"
    sed -i "s@${from}@${to}@" "$copy/tree/$file"
    if cmp -s "$file" "$copy/tree/$file"; then
        echo "NOT APPLIED  $file: $from" && unnoticed=1 && continue
    fi
    log="$copy/log"
    if (cd "$copy/tree" && RUST_BACKTRACE=0 PROPTEST_MAX_SHRINK_ITERS=10 cargo nextest run --lib --locked --no-fail-fast -E "$tests" >"$log" 2>&1); then
        echo "UNNOTICED    $file: $from" && unnoticed=1
    elif ! grep -q '^ *Summary' "$log"; then
        echo "NOT COMPILED $file: $from" && tail -n 20 "$log" && unnoticed=1
    else
        names="$(grep -oE 'FAIL .*' "$log" | awk '{print $NF}' | sort -u | head -n 3 | paste -sd' ')"
        echo "noticed      $file: $from -> $names"
    fi
done
exit "$unnoticed"
