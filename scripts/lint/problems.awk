# The slugs of all problem types, wherever a problem_type is made: "slug file:line", or with
# -v details=1 "slug<tab>status<tab>title".
function string_after(text) {  # the first string of a text, its adjacent pieces joined
    value = ""
    while (match(text, /^[^"]*"([^"\\]|\\.)*"/)) {
        piece = substr(text, RSTART, RLENGTH)
        text = substr(text, RSTART + RLENGTH)
        sub(/^[^"]*"/, "", piece)
        sub(/"$/, "", piece)
        value = value piece
        if (text !~ /^[ \n]*"/) break
    }
    return value
}
function end_file(    rest, found, line, upto, slug, status) {
    rest = whole
    line = 1
    while (match(rest, /problem_type[ \n]+[a-z_0-9]+[ \n]*(=[ \n]*)?((http::)?problem_type)?[{][ \n]*([.]slug[ \n]*=[ \n]*)?"[^"]*"/)) {
        found = substr(rest, RSTART, RLENGTH)
        upto = substr(rest, 1, RSTART - 1)
        rest = substr(rest, RSTART + RLENGTH)
        line += gsub(/\n/, "", upto)
        upto = found
        slug = found
        sub(/"$/, "", slug)
        sub(/^.*"/, "", slug)
        if (details) {
            status = rest
            sub(/^[^0-9]*/, "", status)
            sub(/[^0-9].*$/, "", status)
            printf "%s\t%s\t%s\n", slug, status, string_after(rest)
        } else
            printf "%s %s:%d\n", slug, name, line
        line += gsub(/\n/, "", upto)
    }
    whole = ""
}
FNR == 1 { if (name != "") end_file(); name = FILENAME }
!is_test_file(FILENAME) && !/^ *\/\// { whole = whole $0 }
{ whole = whole "\n" }
END { end_file() }
