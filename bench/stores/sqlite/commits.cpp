// What sharing commits brings: the same puts to the same tables, in slices that take turns, so that
// a busy machine or disk is as bad for each.
//
//     plain       a loop over SQLite's C interface, one transaction a put, synchronous=FULL
//     lethe, 1    a store with one writer at a time
//     lethe, N    a store with N writers at a time
//     disk        fdatasync of one page, what a commit costs at least
//
// lethe_sqlite_bench [--folder .] [--seconds 10] [--concurrency 64] [--value 200] [--work fresh]
//     fresh  every put is a new key        own  each writer puts its own key again and again
//
// --work share: three processes with 16 writers each on one file, how many puts each gets done.
// --work gets: how long a get takes alone, and beside a writer that commits 16 MiB values.
#include "net/worker.hpp"
#include "store/open.hpp"

#include <sqlite3.h>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
namespace store = lethe::store;
using steady = std::chrono::steady_clock;

struct options {
    std::string folder = ".";
    double seconds = 10;  // all together
    int concurrency = 64;
    std::size_t value_bytes = 200;
    std::string work = "fresh";
};

constexpr int rounds = 10;

double micros_since(steady::time_point from) {
    return std::chrono::duration<double, std::micro>(steady::now() - from).count();
}

// Of all threads.
double cpu_micros() {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    const auto micros = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_usec);
    };
    return micros(used.ru_utime) + micros(used.ru_stime);
}

[[noreturn]] void stop(const std::string& why) {
    std::fprintf(stderr, "%s\n", why.c_str());
    std::exit(1);
}

// Keys as sessions and idempotent requests have them: random.
std::string key_of(const options& o, int writer, std::uint64_t n) {
    const std::uint64_t seed = o.work == "own" ? static_cast<std::uint64_t>(writer)
                                               : n * 1000 + static_cast<std::uint64_t>(writer);
    std::uint64_t x = seed + 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    char text[40];
    std::snprintf(text, sizeof text, "s:%016llx%08llx",
                  static_cast<unsigned long long>(x ^ x >> 31),
                  static_cast<unsigned long long>(seed & 0xffffffff));
    return text;
}

// One of those that are compared.
class contender {
 public:
    explicit contender(std::string name) : name_(std::move(name)) {}
    virtual ~contender() = default;

    void run_slice(double seconds) {
        const double cpu = cpu_micros();
        const auto from = steady::now();
        const std::size_t before = micros_.size();
        work_until(from + std::chrono::duration_cast<steady::duration>(
                              std::chrono::duration<double>(seconds)));
        const double took = micros_since(from) / 1e6;
        seconds_ += took;
        cpu_ += cpu_micros() - cpu;
        slices_.push_back(static_cast<double>(micros_.size() - before) / took);
    }
    [[nodiscard]] double slice(std::size_t index) const { return slices_[index]; }
    void print() {
        std::ranges::sort(micros_);
        const auto at = [&](double share) {
            return micros_[static_cast<std::size_t>(static_cast<double>(micros_.size() - 1) *
                                                    share)];
        };
        const auto count = static_cast<double>(micros_.size());
        std::printf(
            "{\"what\": \"%s\", \"per_second\": %.0f, \"p50_us\": %.1f, \"p99_us\": %.1f, "
            "\"max_us\": %.1f, \"cpu_us\": %.1f}\n",
            name_.c_str(), count / seconds_, at(0.5), at(0.99), micros_.back(), cpu_ / count);
    }

 protected:
    virtual void work_until(steady::time_point end) = 0;
    void note(double micros) { micros_.push_back(micros); }

 private:
    const std::string name_;
    std::vector<double> micros_;
    std::vector<double> slices_;
    double seconds_ = 0;
    double cpu_ = 0;
};

class disk final : public contender {
 public:
    explicit disk(const std::string& file)
        : contender("disk"), file_(::open(file.c_str(), O_CREAT | O_RDWR, 0600)) {
        if (file_ < 0) stop("cannot write " + file);
    }
    ~disk() override { ::close(file_); }

 private:
    void work_until(steady::time_point end) override {
        static const std::vector<char> page(4096, 'x');
        while (steady::now() < end) {
            const auto from = steady::now();
            if (::pwrite(file_, page.data(), page.size(), static_cast<off_t>(n_++ % 512 * 4096)) <
                0)
                stop("cannot write");
            ::fdatasync(file_);
            note(micros_since(from));
        }
    }

    const int file_;
    std::uint64_t n_ = 0;
};

class plain final : public contender {
 public:
    plain(const options& o, const std::string& file) : contender("plain"), o_(o) {
        std::string why;
        const auto made = store::open("sqlite:" + file, {}, why);  // the tables
        if (made.has_error()) stop(why);
        (*made)->close();
        must(sqlite3_open_v2(file.c_str(), &on_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                             nullptr));
        must(sqlite3_exec(on_, "PRAGMA synchronous=FULL", nullptr, nullptr, nullptr));
        begin_ = prepare("BEGIN IMMEDIATE");
        commit_ = prepare("COMMIT");
        put_ = prepare(
            "INSERT INTO record(key, value, version, expires, subject) VALUES (?1, ?2, ?3, ?4, x'')"
            " ON CONFLICT(key) DO UPDATE SET value = ?2, version = ?3, expires = ?4");
    }
    ~plain() override {
        for (sqlite3_stmt* one : {begin_, commit_, put_}) sqlite3_finalize(one);
        sqlite3_close(on_);
    }

 private:
    void must(int code) const {
        if (code != SQLITE_OK && code != SQLITE_DONE) stop(sqlite3_errmsg(on_));
    }
    sqlite3_stmt* prepare(const char* sql) const {
        sqlite3_stmt* out = nullptr;
        must(sqlite3_prepare_v3(on_, sql, -1, SQLITE_PREPARE_PERSISTENT, &out, nullptr));
        return out;
    }
    void step(sqlite3_stmt* one) const {
        must(sqlite3_step(one));
        sqlite3_reset(one);
    }

    void work_until(steady::time_point end) override {
        const std::string value(o_.value_bytes, 'v');
        while (steady::now() < end) {
            const auto from = steady::now();
            ++n_;
            const std::string key = key_of(o_, static_cast<int>(n_) % o_.concurrency,
                                           n_ / static_cast<unsigned>(o_.concurrency));
            const auto expires = std::chrono::duration_cast<std::chrono::milliseconds>(
                std::chrono::system_clock::now().time_since_epoch() + 1h);
            step(begin_);
            sqlite3_bind_blob64(put_, 1, key.data(), key.size(), SQLITE_STATIC);
            sqlite3_bind_blob64(put_, 2, value.data(), value.size(), SQLITE_STATIC);
            sqlite3_bind_int64(put_, 3, static_cast<sqlite3_int64>(n_));
            sqlite3_bind_int64(put_, 4, expires.count());
            step(put_);
            step(commit_);
            note(micros_since(from));
        }
    }

    const options& o_;
    sqlite3* on_ = nullptr;
    sqlite3_stmt* begin_ = nullptr;
    sqlite3_stmt* commit_ = nullptr;
    sqlite3_stmt* put_ = nullptr;
    std::uint64_t n_ = 0;
};

class grouped final : public contender {
 public:
    grouped(const options& o, const std::string& file, int concurrency)
        : contender("lethe, " + std::to_string(concurrency)), o_(o), concurrency_(concurrency) {
        std::string why;
        auto opened = store::open("sqlite:" + file, {}, why);
        if (opened.has_error()) stop(why);
        engine_ = *std::move(opened);
    }
    ~grouped() override { engine_->close(); }

 private:
    static lethe::task<> write_on(grouped& self, store::store& to, int writer,
                                  steady::time_point end) {
        const std::string value(self.o_.value_bytes, 'v');
        while (steady::now() < end) {
            const auto from = steady::now();
            store::operation one =
                store::put{key_of(self.o_, writer, ++self.n_), value, 1h, store::anything{}, ""};
            const lethe::result<store::answer> done =
                co_await to.run(std::move(one), steady::now() + 30s);
            if (done.has_error() || !done->done) stop("a put failed");
            self.note(micros_since(from));
        }
        co_return lethe::result<>{};
    }

    void work_until(steady::time_point end) override {
        lethe::net::worker on;
        const auto to = engine_->make_store(on);
        for (int i = 0; i < concurrency_; ++i) on.spawn(write_on(*this, *to, i, end));
        on.run();
    }

    const options& o_;
    const int concurrency_;
    std::unique_ptr<store::engine> engine_;
    std::uint64_t n_ = 0;
};

// Gets of one small record, and beside them, where there is one, a writer of large values.
class getting final : public contender {
 public:
    getting(std::string name, store::engine& engine, std::size_t written_bytes)
        : contender(std::move(name)), engine_(engine), written_bytes_(written_bytes) {}

 private:
    static lethe::task<> get_on(getting& self, store::store& from, steady::time_point end) {
        while (steady::now() < end) {
            const auto began = steady::now();
            const auto got = co_await from.read("small", steady::now() + 30s);
            if (got.has_error() || !got->has_value()) stop("a get failed");
            self.note(micros_since(began));
        }
        co_return lethe::result<>{};
    }
    static lethe::task<> write_on(getting& self, store::store& to, steady::time_point end) {
        while (steady::now() < end) {
            store::operation one = store::put{"large", std::string(self.written_bytes_, 'v'), 1h,
                                              store::anything{}, ""};
            const auto done = co_await to.run(std::move(one), steady::now() + 30s);
            if (done.has_error()) stop("a put failed");
        }
        co_return lethe::result<>{};
    }

    void work_until(steady::time_point end) override {
        lethe::net::worker reads;
        lethe::net::worker writes;
        const auto from = engine_.make_store(reads);
        const auto to = engine_.make_store(writes);
        reads.spawn(get_on(*this, *from, end));
        if (written_bytes_ > 0) writes.spawn(write_on(*this, *to, end));
        writes.start();
        reads.run();
        while (steady::now() < end) std::this_thread::sleep_for(1ms);
        writes.stop();
    }

    store::engine& engine_;
    const std::size_t written_bytes_;
};

void compare_gets(const options& o, const std::string& folder) {
    std::string why;
    auto opened = store::open("sqlite:" + folder + "/gets.db", {}, why);
    if (opened.has_error()) stop(why);
    const auto engine = *std::move(opened);
    {
        lethe::net::worker on;
        const auto to = engine->make_store(on);
        const auto put_small = [](store::store& in) -> lethe::task<> {
            const auto done = co_await in.run(
                store::put{"small", std::string(200, 'v'), 1h, store::anything{}, ""},
                steady::now() + 30s);
            if (done.has_error()) stop("a put failed");
            co_return lethe::result<>{};
        };
        on.spawn(put_small(*to));
        on.run();
    }
    getting alone("gets, alone", *engine, 0);
    getting beside("gets, beside 16 MiB commits", *engine, store::value_bytes_max);
    for (int i = 0; i < rounds; ++i)
        for (contender* each : {&alone, &beside}) each->run_slice(o.seconds / rounds / 2);
    alone.print();
    beside.print();
    engine->close();
}

// Each process prints its own line.
void share(const options& o, const std::string& folder) {
    std::fflush(stdout);
    constexpr int processes = 3;
    std::vector<pid_t> children;
    for (int i = 0; i < processes; ++i) {
        const pid_t child = ::fork();
        if (child != 0) {
            children.push_back(child);
            continue;
        }
        {
            grouped mine(o, folder + "/shared.db", 16);
            mine.run_slice(o.seconds);
            mine.print();
        }
        std::fflush(stdout);
        std::_Exit(0);
    }
    for (const pid_t child : children) ::waitpid(child, nullptr, 0);
}

void compare(const options& o, const std::string& folder) {
    disk sync(folder + "/sync");
    plain alone(o, folder + "/plain.db");
    grouped one(o, folder + "/one.db", 1);
    grouped many(o, folder + "/many.db", o.concurrency);
    contender* const all[] = {&sync, &alone, &one, &many};
    std::vector<double> ratios;
    for (std::size_t i = 0; i < rounds; ++i) {
        for (contender* each : all) each->run_slice(o.seconds / rounds / std::size(all));
        ratios.push_back(many.slice(i) / alone.slice(i));
    }
    for (contender* each : all) each->print();
    std::ranges::sort(ratios);
    std::printf(
        "{\"ratio\": \"lethe, %d to plain\", \"median\": %.1f, \"min\": %.1f, "
        "\"max\": %.1f}\n",
        o.concurrency, ratios[rounds / 2], ratios.front(), ratios.back());
}

options parse(int count, char** arguments) {
    options o;
    for (int i = 1; i + 1 < count; i += 2) {
        const std::string name = arguments[i];
        const std::string value = arguments[i + 1];
        if (name == "--folder")
            o.folder = value;
        else if (name == "--seconds")
            o.seconds = std::stod(value);
        else if (name == "--concurrency")
            o.concurrency = std::stoi(value);
        else if (name == "--value")
            o.value_bytes = std::stoul(value);
        else if (name == "--work")
            o.work = value;
        else
            stop("unknown option " + name);
    }
    return o;
}

}  // namespace

int main(int count, char** arguments) {
    const options o = parse(count, arguments);
    const std::string folder = o.folder + "/lethe-sqlite-bench." + std::to_string(::getpid());
    std::filesystem::create_directory(folder);
    if (o.work == "share")
        share(o, folder);
    else if (o.work == "gets")
        compare_gets(o, folder);
    else
        compare(o, folder);
    std::filesystem::remove_all(folder);
}
