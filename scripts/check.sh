#!/usr/bin/env bash
# All that CI runs, cheapest first. Each step's time is printed; the first that fails ends the run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/lib.sh

started=$SECONDS
step() {  # name command...
    local name=$1 begin=$SECONDS
    shift
    say "check: $name"
    "$@" || die "check: $name failed after $((SECONDS - begin)) s"
    say "check: $name took $((SECONDS - begin)) s"
}

step setup scripts/setup.sh build test sanitize lint
step format scripts/format.sh --check
step "lint (rules)" scripts/lint.sh --rules
step "test (fast)" ./dev test
step instructions bench/instructions.sh fast
step docs scripts/docs.sh --check
step "lint (clang-tidy)" scripts/lint.sh --tidy
step "build (ASan, UBSan)" ./dev build dev
step "test (ASan, UBSan)" run_tests dev
step fuzz scripts/fuzz.sh
say "check: all held, $((SECONDS - started)) s"
