#!/usr/bin/env bash
# Fuzzes the parsers of foreign bytes: scripts/fuzz.sh [target] [seconds]
#
# A target is NAME_fuzz or NAME; without one, each in turn. New inputs are kept in
# build/fuzz-corpus/, the tracked corpus in fuzz/corpus/ is only read; a crash is kept beside the build
# and its path printed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/lib.sh

only= seconds=60
for word in "$@"; do
    case $word in
        *[!0-9]*) only=${word%_fuzz} ;;
        *) seconds=$word ;;
    esac
done
scripts/setup.sh build sanitize
export ASAN_SYMBOLIZER_PATH=${ASAN_SYMBOLIZER_PATH:-/usr/lib/llvm-19/bin/llvm-symbolizer}
say "fuzz: build"
configure fuzz
mapfile -t targets < <(ninja -C build/fuzz -t targets all | sed -n 's/^\([a-z0-9_]*_fuzz\): phony$/\1/p' | sort -u)
[ ${#targets[@]} -gt 0 ] || die "fuzz/ has no targets"
if [ -n "$only" ]; then
    case " ${targets[*]} " in
        *" ${only}_fuzz "*) targets=("${only}_fuzz") ;;
        *) die "there is no fuzz target '$only': one of ${targets[*]%_fuzz}" ;;
    esac
fi
cmake --build --preset fuzz --parallel "$(jobs_max)" --target "${targets[@]}"

failed=0
for target in "${targets[@]}"; do
    name=${target%_fuzz}
    program=$(find build/fuzz -name "$target" -type f -perm -u+x | head -1)
    kept=build/fuzz-corpus/$name
    mkdir -p "$kept" build/fuzz-crashes
    corpus=("$kept")
    [ -d "fuzz/corpus/$name" ] && corpus+=("fuzz/corpus/$name")
    say "fuzz: $name for $seconds s"
    if ! "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 -verbosity=0 \
        -artifact_prefix="build/fuzz-crashes/$name-" "${corpus[@]}" >"build/fuzz-crashes/$name.log" 2>&1; then
        tail -40 "build/fuzz-crashes/$name.log" >&2
        warn "fuzz: $name failed; its input is in build/fuzz-crashes/"
        failed=1
    fi
    grep -E 'number_of_executed_units|new_units_added' "build/fuzz-crashes/$name.log" | sed 's/^stat::/   /' || true
done
exit $failed
