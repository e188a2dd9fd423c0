#!/usr/bin/env bash
# Writes the docs pages that are made from the code; with --check tells which are not up to date.
# The configuration's reference comes from the gateway itself, so it needs a build (fast, or release).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/lib.sh

check=
case ${1:-} in
    "") ;;
    --check) check=1 ;;
    *) die "usage: ./dev docs [--check]" ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
stale=0

page() {  # path; its new text on standard input
    cat >"$work/page"
    if cmp -s "$work/page" "$1"; then
        return
    elif [ -n "$check" ]; then
        warn "$1 is not what the code says; ./dev docs writes it"
        diff -u "$1" "$work/page" | head -20 >&2 || true
        stale=1
    else
        cp "$work/page" "$1"
        say "docs: wrote $1"
    fi
}

metrics_page() {
    cat <<'TEXT'
# Metrics

`GET /metrics` on the admin listener answers these in Prometheus' text format. Names are stable:
one is never given another meaning. Labels are few and bounded; a key, a subject or a path is never
one. Written by `./dev docs` from the sources; do not edit.

| name | kind | what |
|---|---|---|
TEXT
    mapfile -t sources < <(source_files 'src/*.cpp' 'src/*.hpp' | grep -vE '(_test|_world)\.[ch]pp$|/(test|scripted)_[^/]*$')
    awk -f scripts/lint/metrics.awk "${sources[@]}" | sort -u -t$'\t' -k1,1 | awk -F'\t' '{
        kind = $1 ~ /_total$/ ? "counter" : $1 ~ /_seconds$/ ? "histogram" : "gauge"
        printf "| `%s` | %s | %s |\n", $1, kind, $2
    }'
}

problems_page() {
    cat <<'TEXT'
# Problem types

Every error that lethe answers with is a problem document (RFC 9457): `Content-Type:
application/problem+json` and a `type` of the form `urn:lethe:problem:<slug>`. Branch on the `type`,
show the `title`. Written by `./dev docs` from the sources; do not edit.

| slug | status | title |
|---|---|---|
TEXT
    mapfile -t sources < <(source_files 'src/*.cpp' 'src/*.hpp' | grep -vE '(_test|_world)\.[ch]pp$|/(test|scripted)_[^/]*$')
    awk -v details=1 -f scripts/lint/common.awk -f scripts/lint/problems.awk "${sources[@]}" | sort -u -t$'\t' -k1,1 | awk -F'\t' '{
        printf "| [%s](%s.md) | %s | %s |\n", $1, $1, $2, $3
    }'
}

configuration_page() {  # the gateway's own reference
    cat <<'TEXT'
# Configuration

One YAML file, checked whole before anything starts: `lethe config check FILE` reports every mistake
at once, with line and column. Unknown keys are mistakes. With its
[JSON Schema](configuration.schema.json) (`lethe config schema`) editors complete and check it.
Options marked `live` follow SIGHUP, the others a restart. Written by `./dev docs` from the tables
that read and check it; do not edit.

A configuration to start from is in the [README](../README.md).

TEXT
    sed 's/^### /## /' "$1"
}

mkdir -p docs/problems
page docs/metrics.md < <(metrics_page)
page docs/problems/README.md < <(problems_page)

binary=$(ls -t build/fast/lethe build/release/lethe 2>/dev/null | head -1 || true)
if [ -n "$binary" ]; then
    "$binary" config schema >"$work/schema" || die "$binary config schema failed"
    page docs/configuration.schema.json <"$work/schema"
    "$binary" config docs >"$work/reference" || die "$binary config docs failed"
    page docs/configuration.md < <(configuration_page "$work/reference")
elif [ -n "$check" ]; then
    die "docs/configuration.* come from the gateway: ./dev build first"
else
    warn "docs: no lethe is built, so docs/configuration.* were left alone"
fi

[ "$stale" = 0 ] || exit 1
[ -z "$check" ] || say "docs: up to date"
