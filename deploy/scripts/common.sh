#!/usr/bin/env bash
# What gateway-redis.sh and fleet.sh have in common: processes with a directory, a log and a pid file each. Sourced by
# them; needs bash, redis-server, redis-cli and tracegate, and nothing else.
set -euo pipefail

# shellcheck disable=SC2034 # read by whoever sources this
HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# How long a process may take to be ready, or to end.
SECONDS_MAX="${SECONDS_MAX:-60}"

fail() {
    echo "$*" >&2
    exit 1
}

# The value of an option, or a word on what is missing.
value_of() {
    if [ "$#" -lt 2 ] || [ -z "$2" ]; then fail "$1 needs a value; see $0 --help"; fi
    printf '%s' "$2"
}

# The options that both scripts have, over the defaults that each sets before.
# shellcheck disable=SC2034 # read by whoever sources this
read_options() {
    while [ "$#" -gt 0 ]; do
        case "$1" in
        --dir) DIR="$(value_of "$@")" ;;
        --grpc-port) GRPC="$(value_of "$@")" ;;
        --http-port) HTTP="$(value_of "$@")" ;;
        --redis-port) REDIS="$(value_of "$@")" ;;
        --maxmemory) MAXMEMORY="$(value_of "$@")" ;;
        --tracegate) TRACEGATE="$(value_of "$@")" ;;
        --init-codes) INIT_CODES="$(value_of "$@")" ;;
        *) fail "$1 is no option; see $0 --help" ;;
        esac
        shift 2
    done
}

need() {
    command -v "$1" >/dev/null || fail "$1 is missing: $2"
}

need_programs() {
    need redis-server "install Redis 7.0 or newer"
    need redis-cli "install Redis 7.0 or newer"
    need "$TRACEGATE" "build it with 'cargo build --release' and name it with --tracegate target/release/tracegate"
}

# Whether the process of a directory runs: its pid file names a process whose command line names the directory.
is_running() {
    local pid
    pid="$(cat "$1/pid" 2>/dev/null)" || return 1
    [ -n "$pid" ] && tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF -- "$1/"
}

is_port_taken() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

free_port() {
    if is_port_taken "$1"; then fail "port $1 is taken; choose others, see $0 --help"; fi
}

# Waits until a command succeeds; fails with a word and the end of a log.
wait_for() {
    # Its own process, started a moment ago: it may still be on the way to its program, which is_running looks at.
    local pid="$!"
    local what="$1" log="$2" until=$((SECONDS + SECONDS_MAX))
    shift 2
    until "$@"; do
        if [ "$SECONDS" -ge "$until" ] || ! kill -0 "$pid" 2>/dev/null; then
            tail -n 20 "$log" >&2 || true
            fail "$what: not within $SECONDS_MAX seconds, or it ended; above is the end of $log"
        fi
        sleep 0.1
    done
}

answers_ping() {
    [ "$(redis-cli -p "$1" ping 2>/dev/null)" = PONG ]
}

# The status line of a page of a gateway.
page_status() {
    local line=""
    {
        exec 3<>"/dev/tcp/127.0.0.1/$1" || return 1
        printf 'GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n' "$2" >&3
        IFS= read -r line <&3 || true
        exec 3<&- 3>&-
    } 2>/dev/null
    printf '%s' "${line%$'\r'}"
}

is_ready() {
    page_status "$1" /ready | grep -q ' 200 '
}

# start_redis DIR PORT SAMPLE [LINE ...]: a server with the settings of a sample, and lines of its own over them.
start_redis() {
    local dir="$1" port="$2" sample="$3"
    shift 3
    if is_running "$dir"; then return; fi
    free_port "$port"
    mkdir -p "$dir"
    {
        printf 'include "%s"\n' "$sample"
        # The title would hide which directory it is that runs.
        printf 'port %s\nbind 127.0.0.1\ndir "%s"\nmaxmemory %s\nset-proc-title no\n' "$port" "$dir" "$MAXMEMORY"
        printf '%s\n' "$@"
    } >"$dir/redis.conf"
    nohup redis-server "$dir/redis.conf" >>"$dir/redis.log" 2>&1 </dev/null &
    echo "$!" >"$dir/pid"
    wait_for "Redis on port $port answers" "$dir/redis.log" answers_ping "$port"
}

# start_gateway DIR GRPC_PORT HTTP_PORT STORE_URL
start_gateway() {
    local dir="$1" grpc="$2" http="$3" url="$4"
    local arguments=(serve --listen "127.0.0.1:$grpc" --http "127.0.0.1:$http" --data-dir "$dir/data")
    if is_running "$dir"; then return; fi
    free_port "$grpc"
    free_port "$http"
    mkdir -p "$dir"
    if [ -n "$INIT_CODES" ]; then arguments+=(--init-codes "$INIT_CODES"); fi
    TRACEGATE_STORE_URL="$url" nohup "$TRACEGATE" "${arguments[@]}" >>"$dir/gateway.log" 2>&1 </dev/null &
    echo "$!" >"$dir/pid"
    wait_for "the gateway on port $grpc is ready" "$dir/gateway.log" is_ready "$http"
}

# Ends the process of a directory and waits for it.
stop_process() {
    local dir="$1" until=$((SECONDS + SECONDS_MAX))
    if ! is_running "$dir"; then
        rm -f "$dir/pid"
        return
    fi
    kill -TERM "$(cat "$dir/pid")"
    while is_running "$dir"; do
        if [ "$SECONDS" -ge "$until" ]; then fail "$dir did not end within $SECONDS_MAX seconds; look at its log"; fi
        sleep 0.1
    done
    rm -f "$dir/pid"
}

# One line: name, what it says of itself.
say_status() {
    local name="$1" dir="$2" answer="$3"
    if is_running "$dir"; then
        printf '%-12s pid %-8s %s\n' "$name" "$(cat "$dir/pid")" "$answer"
    else
        printf '%-12s %s\n' "$name" "down"
        # shellcheck disable=SC2034 # read by whoever sources this
        ALL_RUN=no
    fi
}
