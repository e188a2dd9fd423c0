# Files of at most 600 lines, functions of at most 70, as clang-format lays them out: a function
# begins where a declaration begins at the left (in a class: one step in) and ends at the brace in
# the same column.
BEGIN {
    file_max = 600
    function_max = 70
}
function end_file() { if (name != "" && lines > file_max) printf "%s:%d: [length] a file of %d lines, %d at most\n", name, lines, lines, file_max }

FNR == 1 {
    end_file()
    name = FILENAME
    start = 0
    open = 0
    raw = 0
}
{ lines = FNR }

# A raw string's own lines are no code.
raw { if (index($0, raw_end)) raw = 0; else next }
{
    at = match($0, /R"[a-zA-Z_]*\(/)
    if (at) {
        raw_end = ")" substr($0, RSTART + 2, RLENGTH - 3) "\""
        if (!index(substr($0, RSTART + RLENGTH), raw_end)) raw = 1
    }
}

open {
    if ($0 ~ close_pattern) {
        if (FNR - start + 1 > function_max && !allow)
            printf "%s:%d: [length] a function of %d lines, %d at most\n", FILENAME, start, FNR - start + 1, function_max
        open = 0
        start = 0
    }
    next
}
/^[ ]*$/ || /^[ ]*\/\// || /^#/ {
    if (index($0, "lint: allow(length) because ")) allowed_at = FNR
    if ($0 ~ /^[ ]*$/) start = 0
    next
}
/^[a-zA-Z_~\[]/ || /^    [a-zA-Z_~\[]/ {
    if (!start || $0 !~ /^     /) {
        if (!start) {
            start = FNR
            seen = ""
            close_pattern = ($0 ~ /^    /) ? "^    [}]" : "^[}]"
            allow = allowed_at && allowed_at >= FNR - 3
        }
    }
}
start {
    seen = seen " " $0
    if ($0 ~ /\{$/) {
        if (seen ~ /\(/ && seen !~ /^ *(template *<[^{]*> *)?(inline |export )*(namespace|class|struct|enum|union|extern) /) open = 1
        else start = 0
    } else if ($0 ~ /[;}]$/ || $0 ~ /:$/) start = 0
}
END { end_file() }
