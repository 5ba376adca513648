#!/usr/bin/env bash
# One gateway over one Redis on this machine, without containers.
#
#   deploy/scripts/gateway-redis.sh start --init-codes 10000000   the first time: room for so many codes
#   deploy/scripts/gateway-redis.sh start                         from then on
#   deploy/scripts/gateway-redis.sh status
#   deploy/scripts/gateway-redis.sh stop
#
#   --dir DIR            where data, logs and pid files lie            [tracegate-one]
#   --grpc-port PORT     where the gateway listens                     [50051]
#   --http-port PORT     /live, /ready and /metrics                    [50052]
#   --redis-port PORT    where Redis listens                           [6379]
#   --maxmemory SIZE     of Redis                                      [1gb]
#   --tracegate PROGRAM  the gateway's program                         [tracegate]
#   --init-codes CODES   makes a deployment in an empty Redis. Not from then on: a Redis that has lost its data is
#                        then noticed, not filled anew
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

DIR=tracegate-one GRPC=50051 HTTP=50052 REDIS=6379 MAXMEMORY=1gb TRACEGATE=tracegate INIT_CODES=""
what="${1:---help}"
[ "$#" -eq 0 ] || shift
read_options "$@"
DIR="$(realpath -m -- "$DIR")"

case "$what" in
start)
    need_programs
    start_redis "$DIR/redis" "$REDIS" "$HERE/../redis/redis.conf"
    start_gateway "$DIR/gateway" "$GRPC" "$HTTP" "redis://127.0.0.1:$REDIS"
    echo "the gateway listens on 127.0.0.1:$GRPC, its pages are on http://127.0.0.1:$HTTP"
    ;;
stop)
    # The gateway first: it finishes what it has under way.
    stop_process "$DIR/gateway"
    stop_process "$DIR/redis"
    ;;
status)
    ALL_RUN=yes
    say_status redis "$DIR/redis" "port $REDIS $(redis-cli -p "$REDIS" ping 2>&1 || true)"
    say_status gateway "$DIR/gateway" "port $GRPC /ready $(page_status "$HTTP" /ready || true)"
    [ "$ALL_RUN" = yes ]
    ;;
-h | --help | help) sed -n '2,/^source/{/^source/!s/^# \{0,1\}//p}' "$0" ;;
*) fail "$what is none of start, stop, status; see $0 --help" ;;
esac
