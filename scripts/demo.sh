#!/usr/bin/env bash
# The tour: a stateless shop behind lethe loses replicas and loses nothing. scripts/demo.sh [--stay] [--shop cpp|node]
# LETHE_STORE=URL in the environment: with state there; redis, redis-cluster, postgres or memcached start a server.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/lib.sh

case " $* ${LETHE_STORE:-} " in
    *" --shop node "* | *" redis "* | *" redis-cluster "* | *" postgres "* | *" memcached "*) scripts/setup.sh build test ;;
    *) scripts/setup.sh build ;;
esac
say "demo: build a release"
configure release
cmake --build --preset release --parallel "$(jobs_max)" --target lethe shop lethe_tour

# The tour ends what it starts. Should it be killed itself, its whole process group goes with it.
set -m
build/release/lethe_tour "$@" </dev/null &
tour=$!
set +m
trap 'kill -TERM -- "-$tour" 2>/dev/null || true' INT TERM HUP
code=0
wait "$tour" || code=$?
# A signal that was passed on interrupts the first wait before the tour has ended.
if kill -0 "$tour" 2>/dev/null; then
    code=0
    wait "$tour" || code=$?
fi
if kill -KILL -- "-$tour" 2>/dev/null; then warn "demo: the tour left processes behind; they were ended"; fi
exit "$code"
