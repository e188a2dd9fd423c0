# What the programs beside it share. A file that only tests see: its name says so.
function is_test_file(path) {
    return path ~ /(^|\/)(test_[a-z0-9_]*|scripted_[a-z0-9_]*|[a-z0-9_]*_(test|world))\.[ch]pp$/ || path ~ /^(tests|bench|fuzz)\//
}
function allowed(rule) {
    return index($0, "lint: allow(" rule ") because ") || index(before, "lint: allow(" rule ") because ")
}
function find(rule, text) { if (!allowed(rule)) printf "%s:%d: [%s] %s\n", FILENAME, FNR, rule, text }
