# The floors: a folder of src includes only from folders that stand above it, and nobody includes
# another folder's insides. The heavy umbrella headers stand nowhere, parts of Asio in few headers.
BEGIN {
    count = split("base net http store limits token identity session idempotency upstream gateway audit cli", order, " ")
    for (i = 1; i <= count; ++i) floor_of[order[i]] = i
}

FNR == 1 { before = "" }

/^[ \t]*#[ \t]*include[ \t]*[<"]/ {
    split($0, parts, /[<">]/)
    header = parts[2]
    quoted = $0 ~ /include[ \t]*"/
    is_header = FILENAME ~ /\.hpp$/
    is_test = is_test_file(FILENAME)

    if (header == "boost/asio.hpp" || header == "boost/beast.hpp")
        find("heavy", "<" header "> costs seconds in every file: include the parts")

    if (is_header && header ~ /^boost\/asio\// && header !~ /^boost\/asio\/(awaitable|any_io_executor)\.hpp$/ \
        && FILENAME !~ /^src\/(net|http)\// && !is_test && FILENAME !~ /connection[a-z_]*\.hpp$/)
        find("asio", "<" header "> in a header outside net/, http/ and connections: see base/task.hpp")

    if (is_header && FILENAME ~ /^include\//) {
        if (quoted && header !~ /^lethe\//)
            find("public", "a public header includes \"" header "\": only lethe/ is installed")
        if (header ~ /^(boost|fmt|openssl|sodium|yaml-cpp|CLI)/ && header !~ /^boost\/(asio\/(awaitable|any_io_executor)|system\/(error_code|error_condition|error_category|result|is_error_code_enum|is_error_condition_enum)|assert\/source_location)\.hpp$/)
            find("public", "a public header includes <" header ">: no third-party types but error_code, result, awaitable, executor")
    }

    if (quoted && FILENAME ~ /^src\//) {
        split(FILENAME, own, "/")
        split(header, other, "/")
        if (own[2] == "library") {
            if (other[1] != "library" && other[1] != "lethe" && other[1] !~ /^(base|net|http|idempotency)$/ && !(is_test && other[1] == "support"))
                find("floor", "library/ includes only base/, net/, http/, idempotency/ and the public headers, not \"" header "\"")
        } else if (own[2] in floor_of && other[1] in floor_of) {
            if (floor_of[other[1]] > floor_of[own[2]])
                find("floor", own[2] "/ stands above " other[1] "/ and must not include \"" header "\"")
        } else if (other[1] == "support") {
            if (!is_test) find("floor", "only tests include \"" header "\"")
        } else if (header ~ /\//) {
            find("floor", "\"" header "\" is on no floor")
        } else
            find("floor", "\"" header "\" is named without its folder")
        if (other[1] != own[2] && (header ~ /\/detail\// || header ~ /_(detail|impl)\.hpp$/))
            find("insides", "\"" header "\" is the inside of " other[1] "/")
        if (!is_test && is_test_file(header)) find("floor", "only tests include \"" header "\"")
        # A store's engine is known to itself and to who wires it up.
        if (other[1] == "store" && other[3] != "" && !is_test && own[2] !~ /^(gateway|cli)$/ \
            && !(own[2] == "store" && (own[3] == other[2] || own[4] == "")))
            find("insides", "\"" header "\" is the inside of the store engine " other[2])
    }
}
{ before = $0 }
