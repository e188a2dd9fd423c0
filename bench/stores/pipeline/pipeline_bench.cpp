// What asking a server costs lethe, beside what redis-benchmark pays for the same commands in the
// same batches over one connection: CPU of the client's side per command.
//
//     lethe_pipeline_bench PORT [COMMANDS]
//
// with a redis-server on that port of 127.0.0.1 and redis-benchmark in the path. Both run three
// times, in turn; the best of each counts, as noise only adds.
#include "store/pipeline.hpp"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>

namespace {

using namespace lethe;

constexpr int asking_at_once = 64;
constexpr std::size_t value_bytes = 100;

// The replies that come here: +OK and $100.
class reply_cutter final : public store::reply_cutter {
 public:
    result<std::size_t> cut(std::string_view bytes) override {
        const void* end = std::memchr(bytes.data(), '\n', bytes.size());
        if (end == nullptr) return std::size_t{0};
        const std::size_t line =
            static_cast<std::size_t>(static_cast<const char*>(end) - bytes.data()) + 1;
        if (bytes.front() != '$') return line;
        std::size_t size = 0;
        std::from_chars(bytes.data() + 1, bytes.data() + line, size);
        const std::size_t all = line + size + 2;
        return all <= bytes.size() ? all : 0;
    }
    bool is_unasked(std::string_view) const override { return false; }
};

struct usage {
    double user = 0;
    double system = 0;
    [[nodiscard]] double all() const { return user + system; }
};

double seconds(const timeval& of) {
    return static_cast<double>(of.tv_sec) + static_cast<double>(of.tv_usec) / 1e6;
}

usage spent(int whose) {
    rusage now{};
    getrusage(whose, &now);
    return {seconds(now.ru_utime), seconds(now.ru_stime)};
}

usage operator-(const usage& a, const usage& b) {
    return {a.user - b.user, a.system - b.system};
}

std::string make_request(bool set) {
    std::string out;
    out.reserve(160);
    out += set ? "*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000000\r\n$100\r\n"
               : "*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000000\r\n";
    if (set) {
        out.append(value_bytes, 'x');
        out += "\r\n";
    }
    return out;
}

task<> ask_again_and_again(net::worker& on, store::pipeline& through, bool set, int count,
                           int& running) {
    for (int i = 0; i < count; ++i) {
        const steady_time deadline = on.time().steady_now() + std::chrono::seconds(5);
        std::string request = make_request(set);
        const result<std::string> got = co_await through.ask(std::move(request), 1, deadline);
        if (got.has_error() || got->front() != (set ? '+' : '$')) {
            std::fprintf(stderr, "unexpected: %s\n",
                         got.has_error() ? describe(got.error()).c_str() : got->c_str());
            std::exit(1);
        }
    }
    if (--running == 0) through.close();
    co_return result<>{};
}

usage run_lethe(std::uint16_t port, bool set, int commands) {
    net::worker on;
    store::pipeline_options options;
    options.server = {"127.0.0.1", port};
    options.make_cutter = [] { return std::make_unique<reply_cutter>(); };
    store::pipeline through(on, options);
    int running = asking_at_once;
    const usage before = spent(RUSAGE_SELF);
    for (int i = 0; i < asking_at_once; ++i)
        on.spawn(ask_again_and_again(on, through, set, commands / asking_at_once, running));
    on.run();
    return spent(RUSAGE_SELF) - before;
}

usage run_redis_benchmark(std::uint16_t port, bool set, int commands) {
    const usage before = spent(RUSAGE_CHILDREN);
    std::fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        const std::string port_text = std::to_string(port);
        const std::string count = std::to_string(commands);
        const std::string at_once = std::to_string(asking_at_once);
        const std::string size = std::to_string(value_bytes);
        if (std::freopen("/dev/null", "w", stdout) == nullptr) std::_Exit(1);
        execlp("redis-benchmark", "redis-benchmark", "-p", port_text.c_str(), "-c", "1", "-P",
               at_once.c_str(), "-d", size.c_str(), "-t", set ? "set" : "get", "-n", count.c_str(),
               "-q", static_cast<char*>(nullptr));
        std::_Exit(1);
    }
    int status = 0;
    if (waitpid(child, &status, 0) != child || status != 0) {
        std::fprintf(stderr, "redis-benchmark failed\n");
        std::exit(1);
    }
    return spent(RUSAGE_CHILDREN) - before;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) {
        std::fprintf(stderr, "usage: %s PORT [COMMANDS]\n", argv[0]);
        return 2;
    }
    const auto port = static_cast<std::uint16_t>(std::atoi(argv[1]));
    const int commands = argc > 2 ? std::atoi(argv[2]) : 1'000'000;
    std::printf("CPU microseconds per command (user + system)\n");
    for (const bool set : {true, false}) {
        usage lethe{1e9, 0};
        usage redis{1e9, 0};
        for (int i = 0; i < 3; ++i) {
            const auto less = [](const usage& a, const usage& b) { return a.all() < b.all(); };
            lethe = std::min(lethe, run_lethe(port, set, commands), less);
            redis = std::min(redis, run_redis_benchmark(port, set, commands), less);
        }
        const double per = 1e6 / commands;
        std::printf(
            "%s  lethe %.3f (%.3f + %.3f)  redis-benchmark %.3f (%.3f + %.3f)  ratio %.2f\n",
            set ? "SET" : "GET", lethe.all() * per, lethe.user * per, lethe.system * per,
            redis.all() * per, redis.user * per, redis.system * per, lethe.all() / redis.all());
    }
    return 0;
}
