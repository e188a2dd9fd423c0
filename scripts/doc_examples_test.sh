#!/usr/bin/env bash
# Runs `lethe config check` on every complete configuration in the Markdown pages: each ```yaml block
# that follows the line <!-- lethe config check -->. doc_examples_test.sh LETHE
set -euo pipefail
lethe=$1
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/lib.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The files that the examples name. The key is the P-256 key of RFC 7517, appendix A.1.
cat >"$work/jwks.json" <<'TEXT'
{"keys": [{"kty": "EC", "crv": "P-256", "kid": "1", "use": "sig",
  "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
  "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}
TEXT
for name in shop wildcard; do
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=$name" \
        -addext "subjectAltName=DNS:$name.example" -keyout "$work/$name.key" -out "$work/$name.pem" 2>"$work/out" ||
        { cat "$work/out"; exit 1; }
done
export TICKET_KEY=0123456789abcdef0123456789abcdef
mapfile -t pages < <(source_files '*.md')
awk -v work="$work" '
    FNR == 1 { wanted = 0; out = "" }
    /^ *<!-- lethe config check -->$/ { wanted = 1; next }
    wanted && /^ *```yaml$/ { ++count; out = work "/" count ".yaml"; print FILENAME ":" FNR > (work "/" count ".place"); wanted = 0; next }
    /^ *```$/ { if (out != "") close(out); out = ""; next }
    out != "" { print > out }
    !/^$/ { wanted = 0 }
' "${pages[@]}"

passed=0 failed=0
for file in "$work"/*.yaml; do
    [ -f "$file" ] || continue
    if (cd "$work" && "$lethe" config check "$file") >"$work/out" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "$(cat "${file%.yaml}.place"): not a good configuration"
        sed 's/^/    /' "$work/out"
    fi
done
echo "examples in the docs: $passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
