# A header opens with what it is for and guards itself with #pragma once; marks of unfinished work
# have one form.
function end_file() { if (name ~ /\.hpp$/ && !pragma) printf "%s:1: [header] has no #pragma once\n", name }

FNR == 1 {
    end_file()
    name = FILENAME
    pragma = 0
    before = ""
    if (name ~ /\.hpp$/ && $0 !~ /^\/\/ /) printf "%s:1: [header] does not open with what it is for\n", name
}
/^#pragma once$/ { pragma = 1 }
/TODO|FIXME|XXX|HACK/ && !allowed("todo") {
    if ($0 !~ /TODO\((perf|cleanup|feature)\): / && $0 ~ /(^|[^a-zA-Z0-9_])(TODO|FIXME|XXX|HACK)([^a-zA-Z0-9_]|$)/)
        printf "%s:%d: [todo] write TODO(perf|cleanup|feature): what; what must be done now is done now\n", FILENAME, FNR
}
{ before = $0 }
END { end_file() }
