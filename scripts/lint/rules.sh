#!/usr/bin/env bash
# The rules of the house that no compiler holds: scripts/lint/rules.sh [folder]
#
# Prints "file:line: [rule] what is wrong" for each finding and ends with 1 when there is one.
# lint_test.sh shows each rule a tree that breaks it. A line may break the rule NAME where the
# comment on it or on the line before says "lint: allow(NAME) because ...".
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
awks=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "${1:-"$(dirname "${BASH_SOURCE[0]}")/../.."}"

findings=$(mktemp)
trap 'rm -f "$findings"' EXIT

mapfile -t sources < <(source_files 'src/*.cpp' 'src/*.hpp' 'include/*.hpp')
mapfile -t code < <(source_files '*.cpp' '*.hpp')
mapfile -t pages < <(source_files '*.md' | grep -v '^tests/vectors/')
# Test vectors of others are data, not ours to word.
mapfile -t files < <(source_files '*' | grep -vE '\.(db|bin|png|ico)$|^tests/vectors/' || true)

over() {  # an awk program over files; none of them: nothing to find
    local program=$1
    shift
    [ $# = 0 ] || awk -f "$awks/common.awk" -f "$awks/$program" "$@"
}

# Every folder of src says in a README.md what it is for.
folders_have_readmes() {
    local folder
    for folder in $(printf '%s\n' "${sources[@]}" | sed -n 's|^\(src/[^/]*\)/.*|\1|p' | sort -u); do
        [ -f "$folder/README.md" ] || echo "$folder/README.md:1: [readme] missing: what the folder is for, what belongs, where to start"
    done
}

# Every problem type has a page, every page a problem type.
problems_have_pages() {
    local slug place known=
    while read -r slug place; do
        known+=" $slug "
        if [ ! -f "docs/problems/$slug.md" ]; then
            echo "$place: [problem] docs/problems/$slug.md is missing"
            continue
        fi
        local heading
        for heading in "What happened" "Why" "What to do"; do
            grep -qE "^(#+ |\*\*)$heading" "docs/problems/$slug.md" ||
                echo "docs/problems/$slug.md:1: [problem] has no heading '$heading'"
        done
    done < <(over problems.awk "${sources[@]}" | sort -u -k1,1)
    local page
    for page in docs/problems/*.md; do
        [ -f "$page" ] || continue
        slug=$(basename "$page" .md)
        case $slug in README) continue ;; esac
        case $known in *" $slug "*) ;; *) echo "$page:1: [problem] no problem type in src has the slug '$slug'" ;; esac
    done
}

# Each row of the specification is tried by a test that it names, and each such test has a row.
rows_have_tests() {
    [ ! -f docs/specification.md ] || awk -f "$awks/rows.awk" "${code[@]}" docs/specification.md
}

# No path of one machine in any file. (The bracket keeps this line from finding itself.)
no_machine_paths() {
    [ ${#files[@]} = 0 ] && return
    grep -nIE '(^|[^a-zA-Z0-9_.$}])/(w[o]rk|r[o]ot|f[a]rm|h[o]me)/' "${files[@]}" /dev/null |
        sed -E 's|^([^:]*:[0-9]+):.*|\1: [path] a path of one machine|' || true
}

# A relative link leads to a file that is there.
links_lead_somewhere() {
    local file line target
    while IFS=$'\t' read -r file line target; do
        target=${target%%#*}
        [ -z "$target" ] || [ -e "$(dirname "$file")/$target" ] || echo "$file:$line: [link] leads nowhere: $target"
    done < <(over links.awk "${pages[@]}")
}

{
    over includes.awk "${code[@]}"
    over banned.awk "${sources[@]}"
    over lengths.awk "${code[@]}"
    over headers.awk "${code[@]}"
    over pages.awk "${pages[@]}"
    folders_have_readmes
    problems_have_pages
    rows_have_tests
    no_machine_paths
    links_lead_somewhere
} >"$findings"

if [ -s "$findings" ]; then
    cat "$findings"
    warn "lint: $(wc -l <"$findings") findings"
    exit 1
fi
say "lint: rules hold in ${#files[@]} files"
