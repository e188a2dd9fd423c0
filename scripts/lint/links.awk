# The relative links of Markdown pages, one a line: file, line, target; tabs between them.
FNR == 1 { fenced = 0 }
/^ *```/ { fenced = !fenced; next }
!fenced {
    rest = $0
    gsub(/`[^`]*`/, "", rest)
    while (match(rest, /\]\([^) ]+\)/)) {
        target = substr(rest, RSTART + 2, RLENGTH - 3)
        rest = substr(rest, RSTART + RLENGTH)
        if (target !~ /^([a-z]+:|#)/) printf "%s\t%d\t%s\n", FILENAME, FNR, target
    }
}
