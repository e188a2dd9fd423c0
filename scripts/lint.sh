#!/usr/bin/env bash
# The rules of the house and clang-tidy: scripts/lint.sh [--rules | --tidy] [--all]
#
# clang-tidy looks at what changed since LETHE_LINT_BASE (default: where this branch left origin's,
# else a day ago), within LETHE_LINT_SECONDS (default: 420); --all: at everything, without a bound.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/lib.sh

rules=1 tidy=1 all=
for option in "$@"; do
    case $option in
        --rules) tidy= ;;
        --tidy) rules= ;;
        --all) all=1 ;;
        *) die "usage: ./dev lint [--rules | --tidy] [--all]" ;;
    esac
done

failed=0
if [ -n "$rules" ]; then scripts/lint/rules.sh || failed=1; fi
[ -n "$tidy" ] || exit $failed

have clang-tidy-19 || scripts/setup.sh build test lint
[ -f build/fast/compile_commands.json ] || configure fast

base() {
    local fork
    if [ -n "${LETHE_LINT_BASE:-}" ]; then
        echo "$LETHE_LINT_BASE"
        return
    fi
    fork=$(git merge-base HEAD '@{upstream}' 2>/dev/null || true)
    if [ -n "$fork" ] && [ "$fork" != "$(git rev-parse HEAD)" ]; then
        echo "$fork"
        return
    fi
    git rev-list -1 --before='1 day ago' HEAD 2>/dev/null || true
}

# A changed header is looked at through the source of its name.
candidates() {
    local from
    if [ -n "$all" ] || ! git rev-parse HEAD >/dev/null 2>&1; then
        source_files 'src/*.cpp' 'examples/*.cpp' 'tests/*.cpp'
        return
    fi
    from=$(base)
    {
        if [ -n "$from" ]; then git diff --name-only "$from" -- '*.cpp' '*.hpp'; else git ls-files -- '*.cpp'; fi
        git ls-files --others --exclude-standard -- '*.cpp' '*.hpp'
    } | sed 's/\.hpp$/.cpp/' | grep -E '^(src|examples|tests)/' | sort -u
}
mapfile -t files < <(candidates | while IFS= read -r file; do
    if [ -f "$file" ] && grep -qF "\"$PWD/$file\"" build/fast/compile_commands.json; then echo "$file"; fi
done)

if [ -n "$all" ]; then seconds=100000; else seconds=${LETHE_LINT_SECONDS:-420}; fi
LINT_DIR=$(mktemp -d)
LINT_END=$(($(date +%s) + seconds))
export LINT_DIR LINT_END
trap 'rm -rf "$LINT_DIR"' EXIT

look_at() {
    local left=$((LINT_END - $(date +%s)))
    if [ "$left" -le 0 ]; then
        echo "$1" >>"$LINT_DIR/left"
        return 0
    fi
    local out code=0
    out=$(timeout "$left" clang-tidy-19 -p build/fast --quiet "$1" 2>&1) || code=$?
    if [ "$code" = 124 ]; then
        echo "$1" >>"$LINT_DIR/left"
    elif [ "$code" != 0 ]; then
        printf '%s\n' "$out" | grep -vE '^[0-9]+ warnings? (generated|treated)'
        echo "$1" >>"$LINT_DIR/bad"
    fi
}
export -f look_at
say "lint: clang-tidy on ${#files[@]} files"
[ ${#files[@]} = 0 ] || printf '%s\0' "${files[@]}" | xargs -0 -P "$(jobs_max)" -I{} bash -c 'look_at "$1"' look_at {}

if [ -s "$LINT_DIR/left" ]; then
    say "lint: time was up before clang-tidy saw $(wc -l <"$LINT_DIR/left") files: $(tr '\n' ' ' <"$LINT_DIR/left")"
fi
if [ -s "$LINT_DIR/bad" ]; then
    warn "lint: clang-tidy has findings in $(wc -l <"$LINT_DIR/bad") files"
    failed=1
fi
exit $failed
