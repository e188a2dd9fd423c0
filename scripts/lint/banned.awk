# Time, sleeps, sockets and random numbers come through their seams, so that a simulation can run
# the code; work in progress is marked in one form.

FNR == 1 {
    before = ""
    in_net = FILENAME ~ /^src\/net\//
    is_test = is_test_file(FILENAME)
    clock_seam = in_net || is_test || FILENAME == "src/base/log.cpp"
}
{
    text = $0
    gsub(/"([^"\\]|\\.)*"/, "\"\"", text)
    comment = index(text, "//")
    if (comment) text = substr(text, 1, comment - 1)

    if (!clock_seam && text ~ /(system_clock|steady_clock|high_resolution_clock)::now/)
        find("clock", "ask the clock you were given, not the system's")
    if (!clock_seam && text ~ /(^|[^a-zA-Z0-9_.>])(clock_gettime|gettimeofday|::?time)[ ]*\(/)
        find("clock", "ask the clock you were given, not the system's")
    if (!in_net && !is_test && text ~ /this_thread::sleep|(^|[^a-zA-Z0-9_])(usleep|nanosleep)[ ]*\(/)
        find("sleep", "wait through the clock you were given; a worker never blocks")
    if (!in_net && !is_test && text ~ /(^|[^a-zA-Z0-9_>])::(socket|connect|accept4?|bind|listen)[ ]*\(/)
        find("socket", "sockets are net/'s")
    if (FILENAME !~ /^src\/base\/random/ && !is_test && text ~ /random_device|(^|[^a-zA-Z0-9_])(std::)?s?rand[ ]*\(/)
        find("random", "random numbers come from base/random.hpp")
    if (text ~ /(^|[^a-zA-Z0-9_])(std::)?(cout|cerr|printf)([^a-zA-Z0-9_]|$)/ && FILENAME !~ /^src\/cli\// && !is_test)
        find("print", "only cli/ prints; others log")
    before = $0
}
