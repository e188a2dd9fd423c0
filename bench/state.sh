#!/usr/bin/env bash
# What tokens, sessions and idempotent requests cost the gateway, the latter two in memory (the
# filter by itself), on Redis, SQLite and PostgreSQL, sessions also in sealed cookies, beside plain
# proxying and beside nginx with Lua doing the like over Redis: CPU microseconds per request, all in
# one run, in turn.
#
#   bench/state.sh [LETHE] [SECONDS] [ROUNDS]     default: build/release/lethe 3 5
#
# Needs ../shared/bench (load generator, origin, the Lua of nginx's side), a C compiler, and
# Debian's redis-server, postgresql, nginx, libnginx-mod-http-lua, lua-nginx-redis, lua-cjson and
# lua-resty-lrucache. The gateway runs on CPU 0, all else on CPU 1.
#
# A session is read with each request, and one slot of it goes to the origin; in Lua: GET, JSON, a
# field. An idempotent POST has a new key each time; in Lua: SET NX before, SET of the answer after.
# Sessions of lethe are sealed, its keys are checked against the request, and both have versions:
# nginx's side does less. Each store has a gateway of its own: what one removes that has expired is
# not counted as another's work.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
lethe=$(realpath "${1:-build/release/lethe}")
seconds=${2:-3}
rounds=${3:-5}
shared=$(realpath ../shared/bench)
postgres=$(dirname "$(find /usr/lib/postgresql -path '*/bin/initdb' | sort -V | tail -1)")
base=${LETHE_BENCH_PORT:-19600}
origin=$((base + 1)) redis=$((base + 2)) database=$((base + 3)) nginx=$((base + 4)) giver=$((base + 5))
declare -A port=([none]=$base [memory]=$((base + 6)) [redis]=$((base + 7)) [sqlite]=$((base + 8))
    [postgres]=$((base + 9)) [sealed]=$((base + 10)))
declare -A gateway=() # their processes
work=$(mktemp -d)
chmod 755 "$work"
pids=()
as=()
[ "$(id -u)" != 0 ] || as=(setpriv --reuid=postgres --regid=postgres --clear-groups)

cleanup() {
    for pid in "${pids[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
    [ ! -d "$work/pg" ] ||
        "${as[@]}" "$postgres/pg_ctl" -D "$work/pg/data" -m immediate stop >/dev/null 2>&1 || true
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT

on_cpu() { # CPU COMMAND...: started there; its id becomes the last of `pids`
    local cpu=$1
    shift
    taskset -c "$cpu" "$@" </dev/null >>"$work/log" 2>&1 &
    pids+=($!)
}
await() { # PORT
    for _ in $(seq 100); do
        if (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then return; fi
        sleep 0.1
    done
    cat "$work/log" >&2
    echo "nothing listens on port $1" >&2
    exit 1
}

# ---- the servers

make -s -C "$shared" "B=$work/bin" "$work/bin/load" "$work/bin/origin"
ulimit -n "$(ulimit -Hn)" 2>/dev/null || true
on_cpu 1 "$work/bin/origin" "$origin"
on_cpu 1 redis-server --port "$redis" --bind 127.0.0.1 --dir "$work" --save '' --appendonly no

mkdir "$work/pg"
[ "$(id -u)" != 0 ] || chown postgres "$work/pg"
(cd "$work/pg" && "${as[@]}" "$postgres/initdb" -D data --username=lethe --auth=trust --locale=C \
    -E UTF8 >/dev/null)
cat >>"$work/pg/data/postgresql.conf" <<TEXT
listen_addresses = '127.0.0.1'
port = $database
unix_socket_directories = ''
shared_buffers = 256MB
max_wal_size = 4GB
TEXT
(cd "$work/pg" && taskset -c 1 "${as[@]}" "$postgres/pg_ctl" -D data -l log -w start >/dev/null)

# The session that every caller has; `giver` hands it out.
session='{"user":"user-7","roles":["a","b"],"cart":[1,2,3],"csrf":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx","note":"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"}'
patch=$(printf %s "$session" | base64 -w0)
module() { echo "load_module /usr/lib/nginx/modules/$1;"; }
cat >"$work/nginx.conf" <<TEXT
$(module ndk_http_module.so)
$(module ngx_http_lua_module.so)
worker_processes 1;
daemon off;
pid $work/nginx.pid;
error_log $work/nginx.err;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_timeout 600s;
  keepalive_requests 1000000000;
  client_body_temp_path $work/n1; proxy_temp_path $work/n2; fastcgi_temp_path $work/n3;
  uwsgi_temp_path $work/n4; scgi_temp_path $work/n5;
  client_body_in_single_buffer on;
  upstream origin {
    server 127.0.0.1:$origin;
    keepalive 256; keepalive_requests 1000000000; keepalive_timeout 600s;
  }
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  lua_package_path "$shared/peers/lua/?.lua;/usr/share/lua/5.1/?.lua;;";
  lua_socket_log_errors off;
  init_by_lua_block {
    session = require "session"
    idem = require "idem"
    session.port = $redis
    idem.port = $redis
  }
  server {
    listen 127.0.0.1:$nginx backlog=4096;
    location /plain/ { proxy_pass http://origin/; }
    location /session/ { access_by_lua_block { session.load() } proxy_pass http://origin/; }
    location /idem/ { content_by_lua_block { idem.run() } }
    location /upstream/ { internal; proxy_pass http://origin/; }
  }
  server {
    listen 127.0.0.1:$giver;
    location / { add_header Lethe-Session-Patch ":$patch:;type=merge"; return 200 "here"; }
  }
}
TEXT
on_cpu 0 nginx -p "$work" -c "$work/nginx.conf" -e "$work/nginx.err"
nginx_pid=${pids[-1]}

"$lethe" session key "$work/session.key" >/dev/null
"$lethe" token key --out "$work/key.json" >/dev/null
"$lethe" token jwks "$work/key.json" >"$work/keys.json"
token=$("$lethe" token sign --key "$work/key.json" --iss https://id.example --aud shop --sub user-7)

declare -A url=([memory]=memory: [redis]=redis://127.0.0.1:$redis [sqlite]=sqlite:$work/records.db
    [postgres]=postgres://lethe@127.0.0.1:$database/postgres)
# The origin echoes a request whose path begins with an h.
configuration() { # STORE
    local sessions='cookie_name: sid, cookie_secure: false, idle_ttl: 2h' lossy=
    [ "$1" != sealed ] || sessions+=", mode: sealed, keys: [{id: k1, file: $work/session.key}]"
    [ "$1" != memory ] || lossy=', allow_lossy: true'
    cat <<TEXT
listen: [{address: "127.0.0.1:${port[$1]}"}]
workers: 1
log: {level: warn, access: off}
sessions: {$sessions}
issuers:
  - {name: id, issuer: "https://id.example", audience: [shop], algorithms: [ES256],
     keys: {file: $work/keys.json}}
upstreams:
  - {name: origin, replicas: ["http://127.0.0.1:$origin"]}
  - {name: giver, replicas: ["http://127.0.0.1:$giver"]}
TEXT
    [ -z "${url[$1]:-}" ] || echo "store: \"${url[$1]}\""
    [ "$1" = none ] || cat <<TEXT
routes:
  - match: {prefix: /s}
    session: {read: [user], required: true$lossy}
    upstream: origin
  - match: {prefix: /h}
    session: {read: [user], required: true$lossy}
    upstream: origin
  - match: {prefix: /new}
    session: {write: [user, roles, cart, csrf, note], on_conflict: last_writer_wins$lossy}
    upstream: giver
TEXT
    [ -z "${url[$1]:-}" ] || cat <<TEXT
  - match: {prefix: /i}
    idempotency: {mode: required, scope: public, ttl: 1m$lossy}
    upstream: origin
TEXT
    [ "$1" != none ] || cat <<TEXT
routes:
  - {match: {prefix: /token}, authenticate: {issuers: [id]}, upstream: origin}
  - {match: {prefix: /}, upstream: origin}
TEXT
}
await "$redis"
for store in "${!port[@]}"; do
    configuration "$store" >"$work/$store.yaml"
    "$lethe" config check "$work/$store.yaml" >/dev/null
    on_cpu 0 "$lethe" serve "$work/$store.yaml"
    gateway[$store]=${pids[-1]}
done
for each in "${port[@]}" "$origin" "$nginx" "$giver"; do await "$each"; done

# ---- a thousand sessions in each store

for store in memory redis sqlite postgres sealed; do
    curl -sS -o /dev/null -D - "http://127.0.0.1:${port[$store]}/new?[1-1000]" |
        sed -nE 's/^Set-Cookie: sid=([^;]+).*/\1/p' >"$work/cookies.$store"
    [ "$(wc -l <"$work/cookies.$store")" = 1000 ] || { cat "$work/log"; echo "no sessions" >&2; exit 1; }
done
# nginx knows lethe's by their names: the same request for both.
awk -v value="$session" '{key = "sess:" $0
    printf "*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n", length(key), key, length(value), value}' \
    "$work/cookies.redis" | redis-cli -p "$redis" --pipe >/dev/null

# Each does its work: the origin sees the user, a retry gets the first answer.
check() { # NAME SESSION-URL IDEMPOTENT-URL COOKIE FIELD
    local key first
    curl -sS "$2" -H "Cookie: theme=dark; sid=$4" | grep -qi "^$5:" ||
        { echo "$1 does not hand on the session" >&2; exit 1; }
    [ "$(curl -sS -o /dev/null -w '%{http_code}' "$2")" -ge 400 ] ||
        { echo "$1 lets in who has no session" >&2; exit 1; }
    key=$(cat /proc/sys/kernel/random/uuid)
    first=$(curl -sS "$3" -H "Idempotency-Key: $key" -d '{"a":1}')
    [ "$first" = "$(curl -sS "$3" -H "Idempotency-Key: $key" -d '{"a":1}')" ] ||
        { echo "$1 does not replay" >&2; exit 1; }
}
check nginx "http://127.0.0.1:$nginx/session/hdr" "http://127.0.0.1:$nginx/idem/" \
    "$(head -1 "$work/cookies.redis")" X-User
for store in memory redis sqlite postgres; do
    check "$store" "http://127.0.0.1:${port[$store]}/h" "http://127.0.0.1:${port[$store]}/i" \
        "$(head -1 "$work/cookies.$store")" Lethe-Session
done

# ---- in turn

browser=(-H 'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36'
    -H 'Accept: application/json, */*;q=0.8' -H 'Accept-Language: en-GB,en;q=0.7'
    -H 'Accept-Encoding: gzip, br' -H 'X-Request-Id: {n}')
new_keys() { # a UUID for each request that a turn may make
    awk -v n=$((seconds * 50000 + 50000)) -v first="$(cut -c1-24 /proc/sys/kernel/random/uuid)" \
        'BEGIN { for (i = 0; i < n; i++) printf "%s%012x\n", first, i }' >"$work/keys"
}
turn() { # NAME
    local at args=() pid store=none
    case $1 in *-*) store=${1%-*} ;; esac
    if [ "$store" = nginx ]; then
        pid=$nginx_pid at=http://127.0.0.1:$nginx
    else
        pid=${gateway[$store]} at=http://127.0.0.1:${port[$store]}
    fi
    case $1 in
        nginx-plain) at+=/plain/small ;;
        nginx-session) at+=/session/small ;;
        nginx-idempotent) at+=/idem/ ;;
        plain) at+=/small ;;
        token) at+=/token ;;
        *-session) at+=/s ;;
        *-idempotent) at+=/i ;;
    esac
    case $1 in
        token) args=(-H "Authorization: Bearer $token") ;;
        nginx-session) args=(-T "$work/cookies.redis" -H 'Cookie: theme=dark; sid={line}') ;;
        *-session) args=(-T "$work/cookies.${1%-session}" -H 'Cookie: theme=dark; sid={line}') ;;
        *-idempotent)
            new_keys
            args=(-T "$work/keys" -m POST -H 'Content-Type: application/json'
                -H 'Idempotency-Key: {line}'
                -b '{"order":"{n}","item":17,"note":"abcdefghijklmnopqrstuvwxyz"}')
            ;;
    esac
    local workers
    workers=$(pgrep -d, -P "$pid" || true)
    taskset -c 1 "$work/bin/load" -d "$seconds" -w 1 -c 64 "${browser[@]}" "${args[@]}" \
        -p "$pid${workers:+,$workers}" "$at"
}
names=(nginx-plain nginx-session nginx-idempotent plain token sealed-session memory-session memory-idempotent
    redis-session redis-idempotent sqlite-session sqlite-idempotent postgres-session postgres-idempotent)
for round in $(seq 0 $((rounds - 1))); do
    for i in "${!names[@]}"; do
        name=${names[(i + round) % ${#names[@]}]}
        turn "$name" | sed "s/^/$name /" >>"$work/turns"
    done
done

# Medians, and the medians of the rounds' ratios.
awk -v names="${names[*]}" -v rounds="$rounds" '
function value(field) { match($0, "\"" field "\":[0-9.]+"); return substr($0, RSTART + length(field) + 3, RLENGTH - length(field) - 3) + 0 }
function median(of, n,   i, j, t, v) {
    for (i = 1; i <= n; i++) v[i] = of[i]
    for (i = 2; i <= n; i++) for (j = i; j > 1 && v[j] < v[j - 1]; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
    return v[int((n + 1) / 2)]
}
function ratio(a, b,   i, r) { for (i = 1; i <= rounds; i++) r[i] = cost[a, i] / cost[b, i]; return median(r, rounds) }
{
    n = ++seen[$1]
    cost[$1, n] = value("us_per_req"); rate[$1, n] = value("rps")
    failed[$1] += value("errors") + value("non2xx")
}
END {
    count = split(names, list, " ")
    printf "%-20s %10s %10s %10s %8s\n", "", "CPU us/req", "req/s", "x plain", "failed"
    for (k = 1; k <= count; k++) {
        for (i = 1; i <= rounds; i++) { c[i] = cost[list[k], i]; r[i] = rate[list[k], i] }
        printf "%-20s %10.1f %10d %10.2f %8d\n", list[k], median(c, rounds), median(r, rounds),
            ratio(list[k], list[k] ~ /^nginx/ ? "nginx-plain" : "plain"), failed[list[k]]
        bad += failed[list[k]]
    }
    for (k = 1; k <= 2; k++) {
        what = k == 1 ? "session" : "idempotent"
        printf "lethe / nginx with Lua, %s on Redis: %.2f\n", what, ratio("redis-" what, "nginx-" what)
    }
    exit bad > 0
}' "$work/turns"
