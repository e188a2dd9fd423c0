#!/usr/bin/env bash
# Commits and operations per second over PostgreSQL, beside pgbench with the same statement in
# pipeline mode, on as many connections, against the same server in the same run.
#
#   bench/stores/postgres.sh [BUILD-FOLDER] [SECONDS] [ROUNDS]     default: build/release 3 5
#
# Needs lethe_store_drive (cmake --preset release -DLETHE_BENCH=ON) and Debian's postgresql. Both
# take turns; one line per case tells of the medians of all rounds: operations and commits per
# second of both, CPU microseconds per operation of each client, and lethe's share of pgbench's rate
# (the median of the rounds' shares).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
build=${1:-build/release}
seconds=${2:-3}
rounds=${3:-5}
drive=$(find "$build" -name lethe_store_drive -type f | head -1)
[ -n "$drive" ] || { echo "no lethe_store_drive in $build" >&2; exit 2; }
bin=$(dirname "$(find /usr/lib/postgresql -path '*/bin/initdb' | sort -V | tail -1)")
work=$(mktemp -d)
port=${LETHE_BENCH_PORT:-19532}
as=()
if [ "$(id -u)" = 0 ]; then
    as=(setpriv --reuid=postgres --regid=postgres --clear-groups)
    chown postgres "$work"
fi
cleanup() {
    "${as[@]}" "$bin/pg_ctl" -D "$work/data" -m immediate stop >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap cleanup EXIT

cd "$work"
"${as[@]}" "$bin/initdb" -D "$work/data" --username=lethe --auth=trust --locale=C -E UTF8 >/dev/null
cat >>"$work/data/postgresql.conf" <<TEXT
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = ''
shared_buffers = 256MB
max_wal_size = 4GB
TEXT
"${as[@]}" "$bin/pg_ctl" -D "$work/data" -l "$work/log" -w start >/dev/null
cd - >/dev/null
url="postgres://lethe@127.0.0.1:$port/postgres"
field() { sed -E "s/.*\"$1\":([0-9.]+).*/\1/"; }
echo "server: $("$bin/postgres" --version), fsync and synchronous_commit on, ${seconds} s a case"

# The statement of a put, so often in one pipeline. Of the same records, but each client has its own,
# so that none waits for another's lock.
script() { # clients statements
    printf '%s\n' '\startpipeline'
    for _ in $(seq "$2"); do
        printf '\\set k random(0, %d) * %d + :client_id\n' $((50000 / $1 - 1)) "$1"
        cat <<'TEXT'
\set version random(1, 9223372036854775806)
INSERT INTO lethe.lethe_records (key, value, version, expires, subject) VALUES (convert_to('bench:' || :k, 'UTF8'), convert_to(:value, 'UTF8'), :version, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint + 3600000, '') ON CONFLICT (key) DO UPDATE SET value = excluded.value, version = excluded.version, expires = floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint + 3600000, subject = excluded.subject;
TEXT
    done
    printf '%s\n' '\endpipeline'
}
value=$(printf 'v%.0s' $(seq 200))

# Commits per second and CPU microseconds per statement of pgbench.
pgbench_run() { # clients statements
    script "$1" "$2" >"$work/script.sql"
    local TIMEFORMAT='%U %S' times
    times=$({ time "$bin/pgbench" -n -M prepared -c "$1" -j 1 -T "$seconds" -D value="$value" \
        -f "$work/script.sql" "$url" >"$work/pgbench.out" 2>"$work/pgbench.err"; } 2>&1)
    grep -q 'number of failed transactions: 0 ' "$work/pgbench.out" || cat "$work/pgbench.err" >&2
    awk -v times="$times" -v statements="$2" '
        /number of transactions actually processed/ { count = $NF }
        /^tps/ { tps = $3 }
        END { split(times, t, " "); printf "%.0f %.2f", tps, (t[1] + t[2]) * 1e6 / (count * statements) }
    ' "$work/pgbench.out"
}

checkpoint() { "$bin/psql" -qX -d "$url" -c CHECKPOINT; }
median() { sort -n | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }

compare() { # writers concurrency
    local out operations commits cpu statements tps theirs_cpu
    rm -f "$work"/column.*
    for _ in $(seq "$rounds"); do
        checkpoint
        out=$("$drive" --url "$url?connections=$(($1 + 1))" --operations put --concurrency "$2" \
            --seconds "$seconds" --records 50000)
        operations=$(field per_second <<<"$out")
        commits=$(field commits_per_second <<<"$out")
        cpu=$(field cpu_us <<<"$out")
        # As many operations under way at once.
        statements=$(($2 / $1))
        checkpoint
        read -r tps theirs_cpu <<<"$(pgbench_run "$1" "$statements")"
        local column=0 cell
        for cell in "$operations" "$commits" "$cpu" "$((tps * statements))" "$tps" "$theirs_cpu" \
            "$statements" "$(awk -v o="$operations" -v t="$((tps * statements))" \
                'BEGIN { printf "%.0f", 100 * o / t }')"; do
            column=$((column + 1))
            echo "$cell" >>"$work/column.$column"
        done
    done
    local cells=()
    for column in $(seq 8); do cells+=("$(median <"$work/column.$column")"); done
    printf '%d connection(s) for writes, %3d at once: lethe %6.0f operations/s in %5.0f commits/s, %5.1f us CPU' \
        "$1" "$2" "${cells[@]:0:3}"
    printf ' | pgbench %6.0f in %5.0f, %5.1f us, %.0f a commit | %s %%\n' "${cells[@]:3}"
}

compare 1 1
compare 2 2
compare 1 64
compare 2 64
compare 2 256
for operations in claim-finish get transact; do
    "$drive" --url "$url" --operations "$operations" --concurrency 64 --seconds "$seconds"
done
