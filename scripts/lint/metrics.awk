# All metrics that the sources name: "name<tab>what it counts", from a string "lethe_..." and the
# string or strings after it. Where a brace stands before it, it begins a row of a table of something
# else (the names of prepared statements).
function end_file(    rest, name, help, piece) {
    rest = whole
    while (match(rest, /[^{]"lethe_[a-z0-9_]+",[ \n]*"/)) {
        name = substr(rest, RSTART + 2, RLENGTH - 2)
        rest = substr(rest, RSTART + RLENGTH - 1)
        sub(/".*$/, "", name)
        help = ""
        while (match(rest, /^[ \n]*"([^"\\]|\\.)*"/)) {
            piece = substr(rest, RSTART, RLENGTH)
            rest = substr(rest, RSTART + RLENGTH)
            sub(/^[ \n]*"/, "", piece)
            sub(/"$/, "", piece)
            help = help piece
        }
        printf "%s\t%s\n", name, help
    }
    whole = ""
}
FNR == 1 { end_file() }
!/^ *\/\// { whole = whole $0 "\n" }
END { end_file() }
