#!/usr/bin/env bash
# Full load for minutes, with connections that come and go: is lethe's memory flat, are its descriptors,
# and is there no error?
#
#   bench/soak.sh [LETHE] [SECONDS]     default: build/release/lethe 600
#
# In slices of 20 seconds, all at once: wrk on kept connections, wrk with a new connection for each
# request, wrk with a new idempotency key each (on SQLite), h2load in TLS, curl with bodies of 8 MB,
# and Node's client, which leaves some answers in the middle. After each slice, in quiet, the process's
# memory (VmRSS) and its descriptors are printed. Fails on any error, when memory has grown by more than
# a tenth and 4 MB since a fifth of the time had passed, or descriptors by more than 64: how many
# connections to the origin are kept depends on the moment.
#
# `./dev setup bench` installs what it needs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/lib.sh
lethe=$(realpath "${1:-build/release/lethe}")
seconds=${2:-600}
slice=20
for tool in wrk h2load curl openssl node; do have "$tool" || die "soak: $tool is not installed"; done
[ "$seconds" -ge $((5 * slice)) ] || die "soak: at least $((5 * slice)) seconds"
base=${LETHE_BENCH_PORT:-19700}
plain=http://127.0.0.1:$base tls=https://127.0.0.1:$((base + 1)) origin=$((base + 2))
work=$(mktemp -d)
pids=()
cleanup() {
    for pid in "${pids[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT
ulimit -n "$(ulimit -Hn)" 2>/dev/null || true

cat >"$work/origin.mjs" <<'TEXT'
import { createServer } from 'node:http';
const small = 'x'.repeat(200), large = Buffer.alloc(8 << 20, 'y');
createServer({ keepAliveTimeout: 600000 }, (request, answer) => {
  request.resume().on('end', () => answer.end(request.url === '/large' ? large : small));
}).listen(+process.argv[2], '127.0.0.1');
TEXT
# Nine whole answers, then one of 8 MB that it leaves in the middle, with its connection.
cat >"$work/client.mjs" <<'TEXT'
import http from 'node:http';
const [url, seconds] = process.argv.slice(2), until = Date.now() + seconds * 1000;
const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
let whole = 0, left = 0;
async function ask(turn) {
  await new Promise((resolve, reject) => {
    const leaves = turn % 10 === 0;
    const request = http.get(url + (leaves ? '/large' : '/small'), { agent }, (answer) => {
      if (answer.statusCode !== 200) reject(new Error('status ' + answer.statusCode));
      if (leaves) { answer.once('data', () => { request.destroy(); left++; resolve(); }); return; }
      answer.resume().on('end', () => { whole++; resolve(); }).on('error', reject);
    }).on('error', (error) => (leaves ? resolve() : reject(error)));
  });
}
await Promise.all(Array.from({ length: 8 }, async (_, worker) => {
  for (let turn = worker; Date.now() < until; turn++) await ask(turn);
}));
console.log(`node: ${whole} whole, ${left} left`);
process.exit(0);
TEXT
cat >"$work/keyed.lua" <<'TEXT'
wrk.method = "POST"
wrk.body = '{"order": 1234}'
local head = string.format("%08x-%04x", os.time() % 0x100000000, math.random(0, 0xffff))
local count = 0
function request()
  count = count + 1
  wrk.headers["Idempotency-Key"] = string.format("%s-4000-8000-%012x", head, count)
  return wrk.format(nil, "/keyed")
end
TEXT
head -c 8388608 /dev/zero >"$work/body"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 -subj /CN=localhost \
    -keyout "$work/tls.key" -out "$work/tls.crt" 2>/dev/null
cat >"$work/lethe.yaml" <<TEXT
listen:
  - {address: "127.0.0.1:$base"}
  - address: "127.0.0.1:$((base + 1))"
    tls: {certificates: [{file: $work/tls.crt, key_file: $work/tls.key}]}
workers: 1
store: "sqlite:$work/lethe.db"
log: {level: warn, access: off}
limits: {body_bytes: 16MiB}
upstreams: [{name: origin, replicas: ["http://127.0.0.1:$origin"]}]
routes:
  - {match: {path: /keyed}, upstream: origin, idempotency: {mode: required, scope: public, ttl: 1m}}
  - {match: {prefix: /}, upstream: origin}
TEXT
node "$work/origin.mjs" "$origin" &
pids+=($!)
"$lethe" serve "$work/lethe.yaml" 2>"$work/lethe.log" &
pids+=($!)
gateway=$!
for _ in $(seq 100); do
    curl -fso /dev/null "$plain/small" && break
    sleep 0.1
done

failed=0
complain() {
    warn "soak: $*"
    failed=1
}
run_wrk() {  # NAME OPTION...
    local name=$1
    shift
    wrk -t1 -d"${slice}s" --timeout 10s "$@" >"$work/$name.out" 2>&1 || echo 'Socket errors: wrk failed' >>"$work/$name.out"
}
run_curl() {
    local until=$((SECONDS + slice)) status
    while [ $SECONDS -lt $until ]; do
        for way in "-T $work/body $plain/take" "$plain/large"; do
            # shellcheck disable=SC2086 # two words
            status=$(curl -sS -o /dev/null -w '%{http_code}' $way 2>>"$work/curl.err" || true)
            [ "$status" = 200 ] || echo "status $status" >>"$work/curl.err"
        done
    done
}
memory() { awk '/^VmRSS:/ {print $2}' "/proc/$gateway/status"; }
descriptors() { find "/proc/$gateway/fd" -mindepth 1 | wc -l; }

began=$SECONDS early_memory=0 early_descriptors=0 requests=0
while [ $((SECONDS - began)) -lt "$seconds" ]; do
    : >"$work/curl.err"
    jobs=()
    run_wrk kept -c 32 "$plain/small" & jobs+=($!)
    run_wrk new -c 16 -H 'Connection: close' "$plain/small" & jobs+=($!)
    run_wrk keyed -c 16 -s "$work/keyed.lua" "$plain/keyed" & jobs+=($!)
    h2load -t1 -c 8 -m 8 -D "$slice" "$tls/small" >"$work/h2.out" 2>&1 & jobs+=($!)
    run_curl & jobs+=($!)
    node "$work/client.mjs" "$plain" "$slice" >"$work/node.out" 2>&1 || complain "$(tail -3 "$work/node.out")" &
    jobs+=($!)
    for job in "${jobs[@]}"; do wait "$job" || failed=1; done
    kill -0 "$gateway" 2>/dev/null || die "soak: lethe is gone: $(tail -5 "$work/lethe.log")"
    for name in kept new keyed; do
        if grep -E 'Socket errors|Non-2xx' "$work/$name.out"; then complain "wrk, $name"; fi
    done
    grep -qE ' 0 failed, 0 errored, 0 timeout' "$work/h2.out" || complain "$(grep requests: "$work/h2.out")"
    [ ! -s "$work/curl.err" ] || complain "curl: $(sort "$work/curl.err" | uniq -c | head -3)"
    grep -q '^node: ' "$work/node.out" || failed=1
    sleep 3  # what was left by its clients comes to its end
    requests=$((requests + $(awk '/requests in/ {sum += $1} END {print sum + 0}' "$work"/{kept,new,keyed}.out)))
    requests=$((requests + $(sed -n 's/^requests: .* \([0-9]*\) done.*/\1/p' "$work/h2.out")))
    now_memory=$(memory) now_descriptors=$(descriptors)
    say "soak: $((SECONDS - began)) s, $requests requests, $now_memory kB, $now_descriptors descriptors"
    if [ $early_memory = 0 ] && [ $((SECONDS - began)) -ge $((seconds / 5)) ]; then
        early_memory=$now_memory early_descriptors=$now_descriptors
    fi
done
[ "$now_memory" -le $((early_memory * 11 / 10 + 4096)) ] || complain "memory grew from $early_memory kB"
[ "$now_descriptors" -le $((early_descriptors + 64)) ] || complain "descriptors grew from $early_descriptors"
if [ -s "$work/lethe.log" ]; then
    tail -5 "$work/lethe.log"
    complain "lethe logged warnings"
fi
[ $failed = 0 ] || die "soak: failed"
say "soak: $requests requests, memory and descriptors flat, no error"
