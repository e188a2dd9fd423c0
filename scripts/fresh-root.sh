#!/usr/bin/env bash
# Runs a command in a minimal Debian made for it, to prove that a clean clone works on a machine
# that has nothing: scripts/fresh-root.sh [--suite bookworm|trixie] [--committed] [--keep] [command...]
#
# The root has Debian's minimal packages and git, and a clone of this repository: of the files as
# they are now, or with --committed of HEAD. Needs root, mmdebstrap and a Debian mirror
# (LETHE_DEBIAN_MIRROR; otherwise the one this machine uses). Everything it makes is in
# build/fresh-root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/lib.sh

suite=bookworm committed= keep=
while [ $# -gt 0 ]; do
    case $1 in
        --suite) suite=${2:?--suite wants bookworm or trixie} && shift 2 ;;
        --committed) committed=1 && shift ;;
        --keep) keep=1 && shift ;;
        *) break ;;
    esac
done
[ $# -gt 0 ] || set -- ./dev demo
[ "$(id -u)" = 0 ] || die "a fresh root is made with mount and chroot: run this as root"
have mmdebstrap || {
    say "fresh-root: install mmdebstrap"
    DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends mmdebstrap </dev/null
}

home=build/fresh-root
mirror=${LETHE_DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' | grep -m1 -E '/debian/?$' || true)}
[ -n "$mirror" ] || die "no Debian mirror found in this machine's apt sources: set LETHE_DEBIAN_MIRROR"
mkdir -p "$home"
if [ ! -f "$home/$suite.tar" ]; then
    say "fresh-root: make a minimal $suite"
    mmdebstrap --variant=minbase --include=git,ca-certificates "$suite" "$home/$suite.part.tar" "$mirror" 2>"$home/$suite.log" ||
        { cat "$home/$suite.log" >&2; die "mmdebstrap failed"; }
    mv "$home/$suite.part.tar" "$home/$suite.tar"
fi

root=$(mktemp -d "$PWD/$home/$suite.XXXXXX")
cleanup() {
    if [ -n "$keep" ]; then say "fresh-root: kept $root"; else rm -rf --one-file-system "$root"; fi
}
trap cleanup EXIT
tar -xf "$home/$suite.tar" -C "$root" --exclude='./dev/*'
# How this machine reaches its mirror (proxies, relaxed dates) holds in the root too.
apt-config dump | grep -E '^Acquire::(https?::Proxy|Check-)' >"$root/etc/apt/apt.conf.d/99host" || true
cp /etc/resolv.conf "$root/etc/resolv.conf"
if [ "$suite" = bookworm ]; then
    printf 'deb %s bookworm main\ndeb %s bookworm-updates main\n' "$mirror" "$mirror" >"$root/etc/apt/sources.list"
fi

say "fresh-root: clone the repository into it"
git init -q -b main "$root/lethe"
if [ -n "$committed" ]; then
    git archive HEAD | tar -x -C "$root/lethe"
else
    source_files . | tar -c --no-recursion -T - | tar -x -C "$root/lethe"
fi
git -C "$root/lethe" add -A
git -C "$root/lethe" -c user.name=fresh -c user.email=fresh@localhost commit -q -m 'a clean clone'

# A mount and a process namespace of its own: when the command ends, whatever it left behind ends too,
# after it was counted.
cat >"$root/run-in-root" <<'TEXT'
#!/bin/bash
cd /lethe
"$@" </dev/null
code=$?
left=
for p in /proc/[0-9]*; do
    pid=${p#/proc/}
    [ "$pid" = 1 ] || [ "$pid" = $$ ] || [ "$(cut -d' ' -f4 "$p/stat" 2>/dev/null)" = $$ ] || left+=" $pid:$(tr '\0' ' ' <"$p/cmdline" 2>/dev/null)"
done
[ -z "$left" ] || echo "!! processes left behind:$left"
[ -z "$left" ] || [ "$code" != 0 ] || code=1
exit $code
TEXT
chmod +x "$root/run-in-root"
say "fresh-root: run in $suite: $*"
begin=$SECONDS code=0
unshare --mount --pid --fork -- bash -c '
    root=$1; shift
    mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" && mount -t tmpfs tmpfs "$root/run" || exit 1
    exec chroot "$root" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        HOME=/tmp LANG=C.UTF-8 CI=true /run-in-root "$@"' fresh-root "$root" "$@" || code=$?
say "fresh-root: '$*' ended with $code after $((SECONDS - begin)) s"
exit "$code"
