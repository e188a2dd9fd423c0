# Rows of docs/specification.md and the tests that try them: each row names at least one test, every
# test that a row names exists, and every test of tests/rows stands in a row. Sources first, the page
# last.
FILENAME !~ /specification\.md$/ {
    if (match($0, /^TEST(_F|_P)?\([A-Za-z0-9_]+, *[A-Za-z0-9_]+\)/)) {
        name = substr($0, RSTART, RLENGTH)
        sub(/^TEST(_F|_P)?\(/, "", name)
        sub(/\)$/, "", name)
        sub(/, */, ".", name)
        known[name] = 1
        if (FILENAME ~ /^tests\/rows\//) place[name] = FILENAME ":" FNR
    }
    next
}
FNR == 1 { suite = ""; page = FILENAME }
/^## / { suite = tolower($2); next }
/^\|/ && suite != "" {
    if ($0 ~ /^\|[- |]+$/) { in_table = 1; next }
    if (!in_table) next  # the heading of the table
    cells = split($0, cell, /\|/)
    row = cell[2]
    gsub(/^ +| +$/, "", row)
    rest = cell[cells - 1]
    found = 0
    while (match(rest, /`[A-Za-z0-9_.]+`/)) {
        name = substr(rest, RSTART + 1, RLENGTH - 2)
        rest = substr(rest, RSTART + RLENGTH)
        if (name !~ /\./) name = suite "." name
        ++found
        named[name] = 1
        if (!(name in known)) printf "%s:%d: [row] no test is called %s\n", FILENAME, FNR, name
    }
    if (!found) printf "%s:%d: [row] no test names the row: %s\n", FILENAME, FNR, row
    next
}
{ in_table = 0 }
END {
    if (page != "")
        for (name in place)
            if (!(name in named)) printf "%s: [row] stands in no row of %s: %s\n", place[name], page, name
}
