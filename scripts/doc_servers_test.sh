#!/usr/bin/env bash
# Starts each server of docs/stores.md as the page says: each ```sh block that follows the line
# <!-- started by the tests -->, on a free port, and lets `lethe doctor` examine it by the ```yaml block
# that comes next. doc_servers_test.sh LETHE
set -euo pipefail
lethe=$(realpath "$1")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/lib.sh
work=$(mktemp -d)
servers=()
end_servers() {
    for pid in "${servers[@]}"; do kill -KILL -- "-$pid" 2>/dev/null || true; done
    # PostgreSQL leaves the group that started it.
    for file in "$work"/*/postgres/postmaster.pid; do
        [ -f "$file" ] && kill -QUIT "$(head -1 "$file")" 2>/dev/null || true
    done
    rm -rf "$work"
}
trap end_servers EXIT

awk -v work="$work" '
    /^<!-- started by the tests -->$/ { wanted = 1; next }
    wanted == 1 && /^```sh$/ { ++count; out = work "/" count ".sh"; wanted = 2; next }
    wanted == 2 && /^```yaml$/ { out = work "/" count ".yaml"; wanted = 0; next }
    /^```$/ { if (out != "") close(out); out = ""; next }
    out != "" { print > out }
' docs/stores.md

free_port() {
    local port
    while true; do
        port=$((20000 + RANDOM % 10000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
    done
    echo "$port"
}

# PostgreSQL refuses to run as root.
as_somebody=()
if [ "$(id -u)" = 0 ]; then as_somebody=(setpriv --reuid=postgres --regid=postgres --clear-groups); fi

try() {  # number
    local folder=$work/try-$1 port
    port=$(free_port)
    mkdir "$folder"
    [ "$(id -u)" != 0 ] || chown postgres: "$work" "$folder"
    for kind in sh yaml; do
        sed -E "s/\b(6379|5432|11211)\b/$port/g" "$work/$1.$kind" >"$folder/block.$kind"
    done
    cat - "$folder/block.yaml" >"$folder/lethe.yaml" <<'TEXT'
listen: [{address: "127.0.0.1:0"}]
upstreams: [{name: shop, replicas: ["http://127.0.0.1:9"]}]
routes: [{match: {prefix: /}, upstream: shop, session: {read: [cart], allow_lossy: true}}]
TEXT
    (cd "$folder" && exec setsid "${as_somebody[@]}" bash -e block.sh >log 2>&1 </dev/null) &
    servers+=($!)
    disown  # else the shell tells of its end
    for _ in $(seq 100); do
        if "$lethe" doctor -c "$folder/lethe.yaml" >"$folder/said" 2>/dev/null; then
            grep -E '^  (server|promises)' "$folder/said"
            return 0
        fi
        sleep 0.3
    done
    echo "docs/stores.md: the server of block $1 does not answer:"
    cat "$folder/block.sh" "$folder/log" "$folder/said"
    return 1
}

tried=0
for block in "$work"/*.sh; do
    try "$(basename "$block" .sh)"
    tried=$((tried + 1))
done
echo "servers in docs/stores.md: $tried started"
[ "$tried" -ge 3 ]
