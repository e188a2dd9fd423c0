#!/usr/bin/env bash
# What a proxied request costs in instructions outside the kernel, compared with what is recorded in
# bench/instructions.txt: more than 3 % above it fails.
#
#   bench/instructions.sh [PRESET]            compare build/PRESET/lethe (default: fast)
#   bench/instructions.sh --record [PRESET]   the measured counts are the record from now on
#
# Compilers and libraries of another Debian give other counts: only what was recorded on this one is
# compared.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/lib.sh

record=
[ "${1:-}" != --record ] || { record=1 && shift; }
preset=${1:-fast}
file=bench/instructions.txt
system=$(. /etc/os-release && echo "$ID-$VERSION_ID-$(uname -m)")
binary=build/$preset/lethe
[ -x "$binary" ] || die "instructions: $binary is not built"
have valgrind && have objcopy && have node || die "instructions: needs valgrind, binutils and nodejs"

measured=$(node bench/instructions.mjs "$binary")
failed=0 seen=
while read -r name count; do
    line="$system $preset $name"
    before=$(awk -v line="$line" '$1 " " $2 " " $3 == line {print $4}' "$file")
    say "instructions: $line: $count (recorded: ${before:-nothing})"
    seen+="$line $count"$'\n'
    [ -n "$before" ] && [ -z "$record" ] || continue
    if [ $((count * 100)) -gt $((before * 103)) ]; then
        warn "instructions: $name costs more than 3 % above the record; if that is meant: bench/instructions.sh --record $preset"
        failed=1
    elif [ $((count * 100)) -lt $((before * 97)) ]; then
        say "instructions: $name costs less: bench/instructions.sh --record $preset keeps it so"
    fi
done <<<"$measured"
[ -n "$seen" ] || die "instructions: nothing was measured"
if [ -n "$record" ]; then
    kept=$(grep -v "^$system $preset " "$file")
    printf '%s\n%s' "$kept" "$seen" >"$file"
fi
exit $failed
