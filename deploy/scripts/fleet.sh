#!/usr/bin/env bash
# Three gateways over a Redis Cluster of three primaries with a replica each, all on this machine, without containers.
# A rehearsal: in a province the nodes belong on machines of their own, a primary never beside its replica.
#
#   deploy/scripts/fleet.sh start --init-codes 10000000   the first time: room for so many codes
#   deploy/scripts/fleet.sh start                         from then on
#   deploy/scripts/fleet.sh status
#   deploy/scripts/fleet.sh stop
#
#   --dir DIR            where data, logs and pid files lie            [tracegate-fleet]
#   --grpc-port PORT     the first of three in a row                   [50051]
#   --http-port PORT     the first of three in a row                   [50061]
#   --redis-port PORT    the first of twelve in a row: six for clients,
#                        six for what the nodes say to each other      [7001]
#   --maxmemory SIZE     of each of the six                            [256mb]
#   --tracegate PROGRAM  the gateway's program                         [tracegate]
#   --init-codes CODES   makes a deployment in an empty cluster. Not from then on: a cluster that has lost its data is
#                        then noticed, not filled anew
#
# A gateway that was killed (kill -9, or SIGTERM) comes back with `start`; so does a node of the cluster.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

GATEWAYS=3 NODES=6
DIR=tracegate-fleet GRPC=50051 HTTP=50061 REDIS=7001 MAXMEMORY=256mb TRACEGATE=tracegate INIT_CODES=""
what="${1:---help}"
[ "$#" -eq 0 ] || shift
read_options "$@"
DIR="$(realpath -m -- "$DIR")"

start() {
    local at nodes=()
    need_programs
    for ((at = 0; at < NODES; at++)); do
        start_redis "$DIR/redis-$((at + 1))" "$((REDIS + at))" "$HERE/../redis/redis-cluster.conf" \
            "cluster-port $((REDIS + NODES + at))"
        nodes+=("127.0.0.1:$((REDIS + at))")
    done
    bash "$HERE/make-cluster.sh" "${nodes[@]}"
    for ((at = 0; at < GATEWAYS; at++)); do
        start_gateway "$DIR/gateway-$((at + 1))" "$((GRPC + at))" "$((HTTP + at))" \
            "redis-cluster://127.0.0.1:$REDIS,127.0.0.1:$((REDIS + 1)),127.0.0.1:$((REDIS + 2))"
        echo "a gateway listens on 127.0.0.1:$((GRPC + at)), its pages are on http://127.0.0.1:$((HTTP + at))"
    done
}

stop() {
    local at
    # Gateways first: they finish what they have under way.
    for ((at = 1; at <= GATEWAYS; at++)); do stop_process "$DIR/gateway-$at"; done
    for ((at = 1; at <= NODES; at++)); do stop_process "$DIR/redis-$at"; done
}

status() {
    local at state role
    ALL_RUN=yes
    for ((at = 0; at < NODES; at++)); do
        state="$(redis-cli -p "$((REDIS + at))" cluster info 2>/dev/null | tr -d '\r' | grep cluster_state || true)"
        role="$(redis-cli -p "$((REDIS + at))" info replication 2>/dev/null | tr -d '\r' | grep '^role' || true)"
        say_status "redis-$((at + 1))" "$DIR/redis-$((at + 1))" "port $((REDIS + at)) $role $state"
    done
    for ((at = 0; at < GATEWAYS; at++)); do
        say_status "gateway-$((at + 1))" "$DIR/gateway-$((at + 1))" \
            "port $((GRPC + at)) /ready $(page_status "$((HTTP + at))" /ready || true)"
    done
    [ "$ALL_RUN" = yes ]
}

case "$what" in
start) start ;;
stop) stop ;;
status) status ;;
-h | --help | help) sed -n '2,/^source/{/^source/!s/^# \{0,1\}//p}' "$0" ;;
*) fail "$what is none of start, stop, status; see $0 --help" ;;
esac
