#!/usr/bin/env bash
# Fuzzes the parsers of foreign bytes: scripts/fuzz.sh [--merge] [target...] [seconds]
#
# A target is NAME_fuzz or NAME; without one, all of them, LETHE_FUZZ_JOBS (2) at a time, each for
# LETHE_FUZZ_SECONDS (60). The tracked corpus in fuzz/corpus/ is only read; what a run finds beyond it
# is kept, minimised, in build/fuzz-corpus/, where the next run goes on. A crash is kept in
# build/fuzz-crashes/ and printed in base64: `base64 -d >file`, then build/fuzz/fuzz/NAME_fuzz file.
#
# --merge fuzzes nothing: it puts what earlier runs found into the tracked corpus, as far as it reaches
# what nothing there reaches: at most 12 files of at most 512 bytes for each target, the richest first.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/lib.sh

merge= seconds=${LETHE_FUZZ_SECONDS:-60} jobs=${LETHE_FUZZ_JOBS:-2} only=()
for word in "$@"; do
    case $word in
        --merge) merge=1 ;;
        *[!0-9]*) only+=("${word%_fuzz}") ;;
        *) seconds=$word ;;
    esac
done
readonly merged_files_max=12 merged_bytes_max=512
scripts/setup.sh build sanitize
export ASAN_SYMBOLIZER_PATH=${ASAN_SYMBOLIZER_PATH:-/usr/lib/llvm-19/bin/llvm-symbolizer}
say "fuzz: build"
configure fuzz
# CMake has phony targets of its own beside those that are named like the programs.
mapfile -t targets < <(ninja -C build/fuzz -t targets all |
    sed -n '/^cmake_/d; s/^\([a-z0-9_]*\)_fuzz: phony$/\1/p' | sort -u)
[ ${#targets[@]} -gt 0 ] || die "fuzz/ has no targets"
for name in "${only[@]}"; do
    case " ${targets[*]} " in
        *" $name "*) ;;
        *) die "there is no fuzz target '$name': one of ${targets[*]}" ;;
    esac
done
[ ${#only[@]} -eq 0 ] || targets=("${only[@]}")
cmake --build --preset fuzz --parallel "$(jobs_max)" --target "${targets[@]/%/_fuzz}"

limits=(-timeout=10 -rss_limit_mb=2048 -verbosity=0)

# What libFuzzer cannot do without, of everything there is.
minimise() {  # name folder-to-fill folder...
    local name=$1 to=$2
    shift
    mkdir -p "$to"
    "build/fuzz/fuzz/${name}_fuzz" -set_cover_merge=1 "${limits[@]}" "$@" >>"build/fuzz-crashes/$name.log" 2>&1
}

fuzz_one() {  # name
    local name=$1 kept=build/fuzz-corpus/$1 log=build/fuzz-crashes/$1.log tracked input before
    tracked=fuzz/corpus/$name
    mkdir -p "$kept" "$tracked"
    before=$(ls "$kept" | wc -l)
    rm -f "build/fuzz-crashes/$name-"*
    if ! "build/fuzz/fuzz/${name}_fuzz" -max_total_time="$seconds" -print_final_stats=1 "${limits[@]}" \
        -artifact_prefix="build/fuzz-crashes/$name-" "$kept" "$tracked" >"$log" 2>&1; then
        tail -40 "$log" >&2
        for input in "build/fuzz-crashes/$name-"*; do
            [ -f "$input" ] || continue
            warn "fuzz: $name failed on $input, in base64:"
            head -c 4096 "$input" | base64 -w 0 >&2
            echo >&2
        done
        return 1
    fi
    rm -rf "$kept.new"
    minimise "$name" "$kept.new" "$kept" "$tracked" || return 1
    rm -rf "$kept" && mv "$kept.new" "$kept"
    say "fuzz: $name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs in $seconds s," \
        "$(ls "$kept" | wc -l) kept ($before before)"
}

merge_one() {  # name
    local name=$1 tracked=fuzz/corpus/$1 found=build/fuzz-corpus/$1 small=build/fuzz-corpus/$1.small count=0 input
    [ -d "$found" ] || return 0
    rm -rf "$small" "$small.in"
    mkdir -p "$small" "$small.in"
    find "$found" -type f -size -"$((merged_bytes_max + 1))"c -exec cp -t "$small.in" {} +
    cp "$tracked"/* "$small"
    minimise "$name" "$small" "$small.in" || return 1
    while IFS= read -r input; do
        [ -e "$tracked/$(basename "$input")" ] && continue
        [ "$count" -lt "$merged_files_max" ] || break
        cp "$input" "$tracked/"
        count=$((count + 1))
    done < <(find "$small" -type f -printf '%s %p\n' | sort -rn | cut -d' ' -f2-)
    rm -rf "$small" "$small.in"
    say "fuzz: $name: $count new files in $tracked"
}

mkdir -p build/fuzz-crashes build/fuzz-corpus
if [ -n "$merge" ]; then
    for name in "${targets[@]}"; do merge_one "$name" || die "fuzz: $name: its inputs cannot be merged"; done
    exit 0
fi
say "fuzz: ${#targets[@]} targets for $seconds s each, $jobs at a time"
failed=0 running=0
for name in "${targets[@]}"; do
    if [ "$running" -ge "$jobs" ]; then
        wait -n || failed=1
        running=$((running - 1))
    fi
    fuzz_one "$name" &
    running=$((running + 1))
done
while [ "$running" -gt 0 ]; do
    wait -n || failed=1
    running=$((running - 1))
done
[ "$failed" = 0 ] || die "fuzz: a target failed; see above and build/fuzz-crashes/"
