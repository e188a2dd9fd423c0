#!/usr/bin/env bash
# What claiming and finishing an idempotency key in Redis costs lethe, beside the two bare round
# trips: redis-benchmark sends the same function call, pipelined, over one connection to the same
# server in the same run.
#
#   bench/stores/redis.sh [BUILD-FOLDER] [SECONDS] [ROUNDS]     default: build/release 3 5
#
# Needs lethe_store_drive (cmake --preset release -DLETHE_BENCH=ON) and Debian's redis-server. Both
# take turns. One line a round, then the median of the rounds' ratios: CPU of lethe's process for
# a claim with its finish over CPU of redis-benchmark's for two calls. "server" is the share of its
# core that the server used while lethe drove it: near 100 % the server is the limit.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
build=${1:-build/release}
seconds=${2:-3}
rounds=${3:-5}
drive=$(find "$build" -name lethe_store_drive -type f | head -1)
[ -n "$drive" ] || { echo "no lethe_store_drive in $build" >&2; exit 2; }
work=$(mktemp -d)
port=${LETHE_BENCH_PORT:-19533}
redis-server --port "$port" --bind 127.0.0.1 --dir "$work" --save '' --appendonly no >"$work/log" 2>&1 &
server=$!
trap 'kill -9 $server 2>/dev/null; wait $server 2>/dev/null; rm -rf "$work"' EXIT
until redis-cli -p "$port" ping >/dev/null 2>&1; do sleep 0.05; done

hertz=$(getconf CLK_TCK)
cpu_of() { awk -v hertz="$hertz" '{print ($14 + $15) * 1000000 / hertz}' "/proc/$1/stat"; }
field() { sed -E "s/.*[{,]\"$1\":([0-9.]+).*/\1/"; }
value=$(printf 'v%.0s' $(seq 200))
calls=400000

echo "server: $(redis-server --version | cut -d' ' -f1-3), without persistence; 64 under way, 200 B"
for _ in $(seq "$rounds"); do
    # lethe first: it loads the function.
    before=$(cpu_of $server)
    begun=$(date +%s%N)
    lethe=$("$drive" --url "redis://127.0.0.1:$port" --operations claim-finish --concurrency 64 \
        --seconds "$seconds")
    wall=$((($(date +%s%N) - begun) / 1000))
    busy=$(awk -v a="$before" -v b="$(cpu_of $server)" -v w="$wall" 'BEGIN {printf "%.0f", (b - a) * 100 / w}')
    bare=$({ TIMEFORMAT='%U %S'; time redis-benchmark -p "$port" -c 1 -P 64 -n "$calls" -r 1000000 -q \
        FCALL lethe_1_put 1 lethe:r:bench:__rand_int__ 6 '' 3600000 abcdefgh '' "$value" \
        >"$work/out" 2>&1; } 2>&1)
    bare=$(awk -v n="$calls" '{printf "%.3f", ($1 + $2) * 1000000 / n}' <<<"$bare")
    cost=$(field cpu_us <<<"$lethe")
    rate=$(field per_second <<<"$lethe")
    awk -v l="$cost" -v b="$bare" -v r="$rate" -v s="$busy" 'BEGIN {
        printf "%.2f lethe %.2f us a claim with finish, %d a second, server %d %%; bare call %.2f us\n",
            l / (2 * b), l, r, s, b}' | tee -a "$work/lines"
done
sort -n "$work/lines" | awk '{all[NR] = $1} END {print "median: lethe / two bare calls " all[int((NR + 1) / 2)]}'
