#!/usr/bin/env bash
# CPU microseconds per proxied request beside nginx and HAProxy, measured in turn in one run, with
# the comparison in ../shared/bench; without it, the micro-benchmarks of bench/.
#
#   ./dev bench [option...]      options go to bench.mjs, e.g. --rounds 9 --secs 3
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/lib.sh

comparison=../shared/bench/bench.mjs
if [ ! -f "$comparison" ]; then
    scripts/setup.sh build micro
    say "bench: the comparison with nginx and HAProxy is not at $comparison; micro-benchmarks of lethe alone"
    configure release -DLETHE_BENCH=ON
    cmake --build --preset release --parallel "$(jobs_max)" --target lethe_bench
    exec "$(find build/release -name lethe_bench -type f | head -1)" "$@"
fi

scripts/setup.sh build bench
say "bench: build a release"
configure release
cmake --build --preset release --parallel "$(jobs_max)" --target lethe

port=${LETHE_BENCH_PORT:-19080}
work=$PWD/build/bench
mkdir -p "$work"
cat >"$work/lethe.yaml" <<TEXT
listen: [{address: "127.0.0.1:$port"}]
workers: 1
store: "memory:"
log: {level: warn, access: off}
upstreams:
  - {name: origin, replicas: ["http://127.0.0.1:18080"]}
routes:
  - match: {prefix: /}
    upstream: origin
TEXT
build/release/lethe config check "$work/lethe.yaml"

ulimit -n "$(ulimit -Hn)" 2>/dev/null || true
build/release/lethe serve "$work/lethe.yaml" </dev/null >"$work/lethe.log" 2>&1 &
gateway=$!
trap 'kill -TERM "$gateway" 2>/dev/null && wait "$gateway" 2>/dev/null || true' EXIT
for _ in $(seq 100); do
    if (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then break; fi
    kill -0 "$gateway" 2>/dev/null || { cat "$work/lethe.log" >&2; die "lethe did not start"; }
    sleep 0.1
done

say "bench: one worker of lethe beside nginx and HAProxy (floor: the kernel's price of a proxied request)"
BENCH_DIR="$work" node "$comparison" proxy proxy-big --peers floor,nginx,haproxy \
    --target "lethe=http://127.0.0.1:$port:$gateway" --json "$work/result.json" "$@"
