#!/usr/bin/env bash
# Shows each rule of rules.sh a tree that keeps it and a tree that breaks it.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GIT_CEILING_DIRECTORIES=$work  # the trees are in no repository
passed=0 failed=0

# A tree in which every rule holds.
good_tree() {
    rm -rf "$work/tree"
    mkdir -p "$work/tree/src/"{base,http,session,store/sqlite} "$work/tree/include/lethe" "$work/tree/docs/problems"
    cd "$work/tree" || exit 1
    local folder
    for folder in base http session store; do echo "# $folder" >"src/$folder/README.md"; done
    printf '// What it is for.\n#pragma once\n#include "base/a.hpp"\n#include <boost/asio/awaitable.hpp>\n' >src/base/a.hpp
    printf '// Sessions.\n#pragma once\n#include "http/problem.hpp"\n\ninline constexpr http::problem_type gone{\n    "session-gone", 410,\n    "The session is gone"};\n' >src/session/problems.hpp
    printf '#include "session/problems.hpp"\n#include "base/a.hpp"\n' >src/session/session.cpp
    printf '// Public.\n#pragma once\n#include "lethe/b.hpp"\n#include <boost/asio/awaitable.hpp>\n' >include/lethe/a.hpp
    printf '# Gone\n\n## What happened\n\nx\n\n## Why\n\nx\n\n## What to do\n\nx, see [base](../../src/base/README.md).\n' >docs/problems/session-gone.md
}
report() {  # ok name
    if [ "$1" = yes ]; then passed=$((passed + 1)); else failed=$((failed + 1)) && echo "failed: $2" && sed 's/^/    /' "$work/out"; fi
}
holds() {  # name
    "$here/rules.sh" "$work/tree" >"$work/out" 2>&1 && report yes "$1" || report no "$1"
}
breaks() {  # name, the finding's start "file:line: [rule]"
    if ! "$here/rules.sh" "$work/tree" >"$work/out" 2>&1 && grep -qF "$2" "$work/out" &&
        [ "$(grep -c '\[' "$work/out")" = 1 ]; then report yes "$1"; else report no "$1"; fi
}
lines() { awk -v n="$1" 'BEGIN { for (i = 0; i < n; ++i) print "    x();" }'; }

good_tree && holds "a good tree passes"

good_tree && echo '#include "session/problems.hpp"' >src/base/b.cpp
breaks "a folder must not include from below" 'src/base/b.cpp:1: [floor]'
good_tree && echo '#include "a.hpp"' >src/base/b.cpp
breaks "an include names its folder" 'src/base/b.cpp:1: [floor]'
good_tree && echo '#include "support/run.hpp"' >src/base/b.cpp
breaks "only tests include the tests' support" 'src/base/b.cpp:1: [floor]'
good_tree && echo '#include "support/run.hpp"' >src/base/b_test.cpp && holds "tests include the tests' support"
good_tree && echo '#include "base/test_world.hpp"' >src/base/b.cpp
breaks "only tests include the tests' headers" 'src/base/b.cpp:1: [floor]'
good_tree && echo '#include "store/sqlite/engine.hpp"' >src/session/b.cpp
breaks "a store's engine is not for engines above it" 'src/session/b.cpp:1: [insides]'
good_tree && echo '#include "http/reader_impl.hpp"' >src/session/b.cpp
breaks "an inside is not for neighbours" 'src/session/b.cpp:1: [insides]'
good_tree && mkdir src/library && echo '# library' >src/library/README.md && echo '#include "session/problems.hpp"' >src/library/b.cpp
breaks "the library stands on base, net and http" 'src/library/b.cpp:1: [floor]'

good_tree && echo '#include <boost/asio.hpp>' >src/base/b.cpp
breaks "Asio's umbrella header is banned" 'src/base/b.cpp:1: [heavy]'
good_tree && mkdir tests && echo '#include <boost/beast.hpp>' >tests/b.cpp
breaks "Beast's umbrella header is banned in tests too" 'tests/b.cpp:1: [heavy]'
good_tree && echo '#include <boost/asio/ip/tcp.hpp>' >>src/session/problems.hpp
breaks "a header above sockets does not include them" 'src/session/problems.hpp:8: [asio]'
good_tree && echo '#include <boost/asio/ip/tcp.hpp>' >>src/base/b.cpp && holds "a source may include parts of Asio"
good_tree && echo '#include "base/a.hpp"' >>include/lethe/a.hpp
breaks "a public header includes public headers" 'include/lethe/a.hpp:5: [public]'
good_tree && echo '#include <fmt/format.h>' >>include/lethe/a.hpp
breaks "a public header shows no third party's types" 'include/lethe/a.hpp:5: [public]'

good_tree && echo 'auto t = std::chrono::steady_clock::now();' >src/base/b.cpp
breaks "the system's clock is banned" 'src/base/b.cpp:1: [clock]'
good_tree && echo 'x = 1;  // not std::chrono::steady_clock::now()' >src/base/b.cpp && holds "a comment may name what is banned"
good_tree && printf '// lint: allow(clock) because the moment is printed\nauto t = std::chrono::steady_clock::now();\n' >src/base/b.cpp
holds "a rule may be broken where the comment says why"
good_tree && echo 'std::this_thread::sleep_for(1s);' >src/http/b.cpp
breaks "sleeping is banned" 'src/http/b.cpp:1: [sleep]'
good_tree && echo 'int s = ::socket(1, 2, 3);' >src/http/b.cpp
breaks "sockets outside net/ are banned" 'src/http/b.cpp:1: [socket]'
good_tree && echo 'std::random_device r;' >src/http/b.cpp
breaks "random numbers have a seam" 'src/http/b.cpp:1: [random]'
good_tree && echo 'std::cerr << 1;' >src/http/b.cpp
breaks "only the command line prints" 'src/http/b.cpp:1: [print]'

good_tree && { echo 'void f() {'; lines 69; echo '}'; } >src/base/b.cpp
breaks "a function of 71 lines is too long" 'src/base/b.cpp:1: [length]'
good_tree && { echo 'void f() {'; lines 68; echo '}'; } >src/base/b.cpp && holds "a function of 70 lines is not"
good_tree && { printf 'class c {\n    int f(int a,\n          int b) const {\n'; lines 68 | sed 's/^/    /'; printf '    }\n};\n'; } >src/base/b.cpp
breaks "a member function counts too" 'src/base/b.cpp:2: [length]'
good_tree && { echo 'namespace a {'; for i in 1 2 3; do echo "int v$i = 0;"; done; printf 'void f() {\n'; lines 30; echo '}'; printf 'void g() {\n'; lines 50; printf '}\n}\n'; } >src/base/b.cpp
holds "two short functions are not one long one"
good_tree && for i in $(seq 601); do echo "int v$i;"; done >src/base/b.cpp
breaks "a file of 601 lines is too long" 'src/base/b.cpp:601: [length]'

good_tree && sed -i 2d src/base/a.hpp
breaks "a header guards itself" 'src/base/a.hpp:1: [header]'
good_tree && sed -i 1d src/base/a.hpp
breaks "a header says what it is for" 'src/base/a.hpp:1: [header]'
good_tree && echo '// TO''DO: later' >src/base/b.cpp
breaks "unfinished work is marked in one form" 'src/base/b.cpp:1: [todo]'
good_tree && echo '// TO''DO(perf): one copy less' >src/base/b.cpp && holds "that form passes"

good_tree && rm src/base/README.md && sed -i 's/, see .*//' docs/problems/session-gone.md
breaks "a folder has a README" 'src/base/README.md:1: [readme]'
good_tree && rm docs/problems/session-gone.md
breaks "a problem type has a page" 'src/session/problems.hpp:5: [problem]'
good_tree && sed -i '/^## Why/d' docs/problems/session-gone.md
breaks "a problem page has its three parts" 'docs/problems/session-gone.md:1: [problem]'
good_tree && cp docs/problems/session-gone.md docs/problems/other.md
breaks "a problem page has a problem type" 'docs/problems/other.md:1: [problem]'
rows_tree() {
    good_tree
    mkdir -p tests/rows
    echo 'TEST_P(sessions, Cookie) {}' >tests/rows/a_test.cpp
    printf '# Rows\n\n## Sessions\n\n| row | tests |\n|---|---|\n| Cookie | `Cookie` |\n' >docs/specification.md
}
rows_tree && holds "a row names its test"
rows_tree && echo '| Touch | |' >>docs/specification.md
breaks "a row that no test names" 'docs/specification.md:8: [row]'
rows_tree && echo '| Touch | `Touch` |' >>docs/specification.md
breaks "a row whose test is not there" 'docs/specification.md:8: [row]'
rows_tree && echo 'TEST_P(sessions, Touch) {}' >>tests/rows/a_test.cpp
breaks "a row's test that stands in no row" 'tests/rows/a_test.cpp:2: [row]'
good_tree && printf 'x=/%s/someone/lethe\n' home >notes.txt
breaks "no path of one machine" 'notes.txt:1: [path]'
good_tree && echo '[x](missing.md)' >docs/a.md
breaks "a link leads somewhere" 'docs/a.md:1: [link]'
good_tree && awk 'BEGIN { for (i = 0; i < 30; ++i) printf "word "; print "" }' >docs/a.md
breaks "prose wraps" 'docs/a.md:1: [wrap]'

echo "lint rules: $passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
