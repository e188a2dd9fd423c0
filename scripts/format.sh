#!/usr/bin/env bash
# Formats the C++ sources with clang-format 19, or with --check tells which are not formatted.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/lib.sh

have clang-format-19 || scripts/setup.sh lint
mapfile -t files < <(source_files '*.cpp' '*.hpp')
case ${1:-} in
    "") printf '%s\0' "${files[@]}" | xargs -0 -P "$(nproc)" -n 20 clang-format-19 -i ;;
    --check)
        if ! printf '%s\0' "${files[@]}" | xargs -0 -P "$(nproc)" -n 20 clang-format-19 --dry-run -Werror; then
            die "not formatted; ./dev format mends it"
        fi
        ;;
    *) die "usage: ./dev format [--check]" ;;
esac
say "format: ${#files[@]} files"
