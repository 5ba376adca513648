#!/usr/bin/env bash
# Makes one cluster of Redis nodes that run: the first half become primaries, the other half their replicas. Where they
# are a cluster already it only waits. Ends well once every node serves and every replica is in step.
#
#   make-cluster.sh HOST:PORT HOST:PORT ...   (six or more, an even number)
#
# REDISCLI_AUTH holds the password where the nodes have one.
set -euo pipefail

SECONDS_MAX=120

if [ "$#" -lt 6 ] || [ $(($# % 2)) -ne 0 ]; then
    echo "name six nodes or more, an even number: make-cluster.sh HOST:PORT ..." >&2
    exit 2
fi

ask() {
    local node="$1"
    shift
    redis-cli -h "${node%:*}" -p "${node##*:}" "$@" | tr -d '\r'
}

# Whether a node is part of a cluster that serves; a replica must have a copy of everything, and a primary must have
# heard so: until then it takes no changes, where it is told to want a replica in step.
is_ready() {
    local role
    ask "$1" cluster info | grep -qx 'cluster_state:ok' || return 1
    role="$(ask "$1" info replication)"
    if grep -qx 'role:slave' <<<"$role"; then
        grep -qx 'master_link_status:up' <<<"$role"
    else
        ! grep -qx 'min_slaves_good_slaves:0' <<<"$role"
    fi
}

# A node that knows nobody else was never part of a cluster, or has lost nodes.conf.
is_new() {
    ask "$1" cluster info | grep -qx 'cluster_known_nodes:1'
}

new=0
for node in "$@"; do
    if is_new "$node"; then new=$((new + 1)); fi
done
if [ "$new" -eq "$#" ]; then
    echo "making a cluster of $# nodes"
    redis-cli --cluster create "$@" --cluster-replicas 1 --cluster-yes >/dev/null
elif [ "$new" -gt 0 ]; then
    echo "$new of $# nodes know no other node, the rest are a cluster: these have lost nodes.conf, or are new." >&2
    echo "Look with 'redis-cli --cluster check $1' and add them with 'redis-cli --cluster add-node'" >&2
    exit 1
fi

for node in "$@"; do
    until is_ready "$node"; do
        if [ "$SECONDS" -ge "$SECONDS_MAX" ]; then
            echo "not ready within $SECONDS_MAX seconds: $node. Look with 'redis-cli --cluster check $node'" >&2
            exit 1
        fi
        sleep 0.2
    done
done
echo "the cluster of $# nodes serves"
