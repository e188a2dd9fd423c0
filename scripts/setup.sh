#!/usr/bin/env bash
# Installs the Debian packages that are missing, and no others: scripts/setup.sh [group...]
# A name with '?' is installed where the system's package lists have it (valkey-server: Debian 13, or
# Debian 12 with its backports). A name with '|' is a choice: Debian 12 has Boost 1.81 beside its default 1.74, Debian 13 has 1.83.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/lib.sh

build="clang-19 lld-19 cmake ninja-build ccache pkg-config git
    libboost1.81-dev|libboost-dev libboost-json1.81-dev|libboost-json-dev libboost-url1.81-dev|libboost-url-dev
    libssl-dev libsodium-dev libsqlite3-dev libpq-dev libnghttp2-dev libyaml-cpp-dev libfmt-dev libcli11-dev"
test="libgtest-dev nghttp2-client nodejs curl nginx-light|nginx haproxy postgresql pgbouncer redis-server memcached valkey-server? valgrind binutils openssl"
sanitize="libclang-rt-19-dev llvm-19"
lint="clang-format-19 clang-tidy-19"
bench="nginx-light|nginx haproxy nodejs gcc make libssl-dev libsqlite3-dev liburing-dev nghttp2-client wrk openssl util-linux"
micro="libbenchmark-dev"

[ $# -gt 0 ] || set -- build test sanitize lint
wanted=
for group in "$@"; do
    case $group in
        build | test | sanitize | lint | bench | micro) wanted+=" ${!group}" ;;
        *) die "there is no package group '$group': one of build test sanitize lint bench micro" ;;
    esac
done

have dpkg-query || die "lethe is built on Debian 12 or 13 (dpkg is not here). It needs: $wanted"
installed=" $(dpkg-query -W -f='${db:Status-Status} ${Package}\n' | awk '$1 == "installed" {printf "%s ", $2}')"
is_installed() { case $installed in *" $1 "*) return 0 ;; *) return 1 ;; esac }

missing=()
exists() { [ -n "$(apt-cache policy "$1" 2>/dev/null | awk '/Candidate:/ && $2 != "(none)"')" ]; }
for choice in $wanted; do
    if [[ $choice == *'?' ]]; then
        choice=${choice%'?'}
        exists "$choice" || continue
    fi
    found=
    for name in ${choice//|/ }; do is_installed "$name" && found=1; done
    # A library of Debian 12's default Boost (1.74) is too old: libboost-dev alone does not count there.
    if [ "$choice" = "libboost1.81-dev|libboost-dev" ] && ! is_installed libboost1.81-dev &&
        is_installed libboost1.74-dev; then found=; fi
    [ -n "$found" ] || missing+=("$choice")
done
if [ ${#missing[@]} = 0 ]; then
    say "setup: all packages are here"
    exit 0
fi
can_be_root || die "these packages are missing, and this user is neither root nor allowed to use sudo without a password: ${missing[*]}"

export DEBIAN_FRONTEND=noninteractive
apt=(as_root env DEBIAN_FRONTEND=noninteractive apt-get -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold -q)

names=()
choose() {  # the first of each choice that this Debian has
    local choice name chosen unknown=()
    names=()
    for choice in "${missing[@]}"; do
        chosen=
        for name in ${choice//|/ }; do
            if exists "$name"; then
                chosen=$name
                break
            fi
        done
        if [ -n "$chosen" ]; then names+=("$chosen"); else unknown+=("$choice"); fi
    done
    [ ${#unknown[@]} = 0 ] || {
        printf '%s\n' "${unknown[*]}"
        return 1
    }
}
update() {
    say "setup: apt-get update"
    "${apt[@]}" update </dev/null
}
if ! choose >/dev/null; then update; fi
unknown=$(choose) || die "this system's package lists do not have: $unknown (lethe is built on Debian 12 or 13)"
choose >/dev/null

# Services that a package starts by itself (nginx, haproxy) are not wanted: the benchmark starts its own.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
    as_root chmod 755 $policy
    trap 'as_root rm -f $policy' EXIT
fi

say "setup: install ${names[*]}"
install() { "${apt[@]}" install -y --no-install-recommends --no-remove "${names[@]}" </dev/null; }
if ! install; then
    warn "setup: apt-get could not install them; once more with fresh package lists"
    update
    install || die "apt-get could not install: ${names[*]} (its reasons stand above)"
fi
say "setup: done"
