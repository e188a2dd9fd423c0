# What the scripts share. Sourced, with the repository's top folder as the working directory.

# One clone's cached objects serve another clone: ccache sees paths relative to the top folder.
export CCACHE_BASEDIR=${CCACHE_BASEDIR:-$PWD} CCACHE_NOHASHDIR=1
# Precompiled headers too, known by the text in them (cmake/LethePrecompiled.cmake).
export CCACHE_PCH_EXTSUM=1 CCACHE_SLOPPINESS=${CCACHE_SLOPPINESS:-pch_defines,time_macros}

say() { printf '== %s\n' "$*"; }
warn() { printf '!! %s\n' "$*" >&2; }
die() {
    printf '!! %s\n' "$*" >&2
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# Compile jobs: one per core, but no more than memory allows (a coroutine-heavy file takes about 1 GB).
jobs_max() {
    local cores memory
    cores=$(nproc)
    memory=$(awk '/^MemAvailable:/ {print int($2 / 1048576)}' /proc/meminfo 2>/dev/null || true)
    [ -n "$memory" ] && [ "$memory" -lt "$cores" ] && cores=$((memory > 0 ? memory : 1))
    echo "$cores"
}

configure() {  # preset [cmake option...]
    local preset=$1 log
    shift
    mkdir -p build
    log=build/configure-$preset.log
    if ! cmake --preset "$preset" "$@" >"$log" 2>&1; then
        cat "$log" >&2
        die "CMake could not configure the preset '$preset'; ./dev setup installs what a build needs"
    fi
}

# What fails is said once more at the end, where it is found: the whole log is long.
run_tests() {  # preset [ctest option...]
    local preset=$1
    shift
    ctest --preset "$preset" --parallel "$(jobs_max)" "$@" && return
    warn "test: what failed ($preset; all of it is in build/$preset/Testing/Temporary/LastTest.log)"
    awk '
        /^[0-9]+\/[0-9]+ Test: / { test = $0; shown = left = lines = 0; running = "" }
        { last[lines++ % 15] = $0 }
        /^\[ RUN +\]/ { running = $0; left = 0 }
        /^\[ +OK \]/ { running = "" }
        /: Failure$/ || /^\[  FAILED  \]/ || /ERROR: .*Sanitizer/ || /runtime error:/ {
            if (!shown++) print test
            if (running != "") print running
            running = ""
            left = 12
        }
        left-- > 0
        # A script says what is wrong at its end.
        /^Test Failed\.$/ && !shown {
            print test
            for (i = lines > 15 ? lines - 15 : 0; i < lines; ++i) print last[i % 15]
        }
    ' "build/$preset/Testing/Temporary/LastTest.log" | head -300 >&2
    return 1
}

# Runs "$@" as root: directly, or with a sudo that asks nothing.
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}
can_be_root() { [ "$(id -u)" = 0 ] || { have sudo && sudo -n true 2>/dev/null; }; }

# The tracked files and the new ones that git would not ignore; from the folder itself when there is no git.
source_files() {  # git pathspec...
    if git rev-parse --git-dir >/dev/null 2>&1; then
        git ls-files --cached --others --exclude-standard -- "$@" | sort -u | while IFS= read -r file; do
            [ -f "$file" ] && printf '%s\n' "$file"
        done
    else
        local pattern
        for pattern in "$@"; do
            find . -path ./build -prune -o -type f -path "./${pattern#./}" -print
        done | sed 's|^\./||' | sort -u
    fi
}
