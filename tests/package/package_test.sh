#!/usr/bin/env bash
# Installs a build, builds a project against the installed package and runs it:
# package_test.sh BUILD_FOLDER C_COMPILER CXX_COMPILER
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$1 cc=$2 cxx=$3
work=$(mktemp -d)
hello=
trap '[ -z "$hello" ] || kill -KILL "$hello" 2>/dev/null || true; rm -rf "$work"' EXIT
fail() {
    echo "package_test: $*" >&2
    exit 1
}

cmake --install "$build" --prefix "$work/prefix" >"$work/log" || { cat "$work/log"; fail "the build cannot be installed"; }
inside=$(find "$work/prefix/include" -mindepth 1 -maxdepth 1 ! -name lethe)
[ -z "$inside" ] || fail "more than the public headers is installed: $inside"
[ -x "$work/prefix/bin/lethe" ] || [ ! -x "$build/lethe" ] || fail "the gateway is not installed"
# A path begins after a quote, a blank or a ';': "/lib/lethe" is not the source folder "/lethe".
for folder in "$build" "$(cd "$here/../.." && pwd)"; do
    if grep -rnF -e "\"$folder/" -e ";$folder/" -e " $folder/" -e "\"$folder\"" "$work/prefix/lib" --include='*.cmake'; then
        fail "the package knows the folder it was built in"
    fi
done

# Moved, because a package must not depend on where it was first installed.
mv "$work/prefix" "$work/moved"
cmake -S "$here/consumer" -B "$work/consumer" -G Ninja -DCMAKE_PREFIX_PATH="$work/moved" -DCMAKE_BUILD_TYPE=Debug \
    -DCMAKE_C_COMPILER="$cc" -DCMAKE_CXX_COMPILER="$cxx" >"$work/log" 2>&1 || { cat "$work/log"; fail "the package is not found"; }
grep -q "CACHE_SIZE=8" "$work/consumer/build.ninja" || fail "the package does not hand on Asio's cache size"
cmake --build "$work/consumer" >"$work/log" 2>&1 || { cat "$work/log"; fail "the project does not build"; }

"$work/consumer/hello" "sqlite:$work/hello.db" >"$work/port" &
hello=$!
for _ in $(seq 100); do
    [ -s "$work/port" ] && break
    kill -0 "$hello" 2>/dev/null || fail "the service ended by itself"
    sleep 0.05
done
answer=$(curl -sS --max-time 10 "http://127.0.0.1:$(cat "$work/port")/hello/world")
[ "$answer" = "hello, world" ] || fail "the service answered: $answer"
answer=$(curl -sS --max-time 10 "http://127.0.0.1:$(cat "$work/port")/count")
[ "$answer" = '{"count":2}' ] || fail "the database answered: $answer"
kill -TERM "$hello"
wait "$hello" || fail "the service did not end well on SIGTERM: $?"
hello=
echo "package_test: installed, found, built, asked, ended"
