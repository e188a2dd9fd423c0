#include "http/spool.hpp"

#include "base/bytes.hpp"
#include "base/descriptor.hpp"
#include "base/log.hpp"
#include "http/errors.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <utility>

namespace lethe::http {
namespace {

namespace asio = boost::asio;

constexpr std::size_t piece_bytes = 64UL * 1024;

std::string directory_of(const spool_options& options) {
    if (!options.directory.empty()) return options.directory;
    const char* wanted = std::getenv("TMPDIR");
    return wanted != nullptr && *wanted != '\0' ? wanted : "/var/tmp";
}

// A file without a name; -1 when there is none to be had.
int open_nameless(const std::string& directory) {
    int file = ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (file >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)) return file;
    // File systems that know no O_TMPFILE.
    std::string name = directory + "/lethe-spool-XXXXXX";
    file = ::mkostemp(name.data(), O_CLOEXEC);
    if (file >= 0) ::unlink(name.c_str());
    return file;
}

bool write_all(int file, std::string_view bytes, std::uint64_t at) {
    while (!bytes.empty()) {
        const ssize_t written = ::pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(at));
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        at += static_cast<std::uint64_t>(written);
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
}

// How many bytes came; nothing on an error.
std::size_t read_some(int file, std::span<char> into, std::uint64_t at) {
    while (true) {
        const ssize_t got = ::pread(file, into.data(), into.size(), static_cast<off_t>(at));
        if (got >= 0) return static_cast<std::size_t>(got);
        if (errno != EINTR) return 0;
    }
}

// Runs `work` on the pool and goes on where it was called.
template <class Work>
asio::awaitable<void> run_on(asio::thread_pool& pool, Work work) {
    const asio::any_io_executor back = co_await asio::this_coro::executor;
    co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(
        [&pool, back](auto handler, Work todo) {
            asio::post(pool, [handler = std::move(handler), back, todo = std::move(todo),
                              guard = asio::make_work_guard(back)]() mutable {
                todo();
                asio::post(back, std::move(handler));
            });
        },
        asio::use_awaitable, std::move(work));
}

}  // namespace

struct spool::impl {
    explicit impl(const spool_options& with)
        : directory(directory_of(with)), bytes_max(with.bytes_max) {}

    // False: there is no room.
    bool reserve(std::uint64_t more) noexcept {
        if (bytes.fetch_add(more) + more <= bytes_max) return true;
        bytes.fetch_sub(more);
        return false;
    }

    const std::string directory;
    const std::uint64_t bytes_max;
    std::atomic<std::uint64_t> bytes{0};

    // Started by the first body: most gateways never need it.
    asio::thread_pool& thread() {
        std::call_once(started, [this] { pool.emplace(1); });
        return *pool;
    }
    std::once_flag started;
    std::optional<asio::thread_pool> pool;
};

class spool::file {
 public:
    explicit file(impl& of) : of_(of) {}
    ~file() { of_.bytes.fetch_sub(size_); }
    file(const file&) = delete;
    file& operator=(const file&) = delete;

    task<> append(std::string_view piece) {
        if (!of_.reserve(piece.size())) co_return LETHE_ERR(errc::no_room);
        bool good = false;
        co_await run_on(of_.thread(), [this, piece, &good] {
            if (!opened_.is_open()) opened_ = descriptor(open_nameless(of_.directory));
            good = opened_.is_open() && write_all(opened_.number(), piece, size_);
        });
        size_ += piece.size();
        if (good) co_return result<>{};
        log::warn("http.spool_failed", {{"directory", of_.directory}});
        co_return LETHE_ERR(errc::no_room);
    }

    task<std::size_t> read(std::uint64_t at, std::span<char> into) {
        std::size_t got = 0;
        co_await run_on(of_.thread(),
                        [this, at, into, &got] { got = read_some(opened_.number(), into, at); });
        co_return got;
    }

    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }

 private:
    impl& of_;
    descriptor opened_{-1};
    std::uint64_t size_ = 0;
};

class spool::file_body final : public body_source {
 public:
    explicit file_body(std::unique_ptr<file> of) : file_(std::move(of)) {}

    task<std::string_view> read() override {
        if (at_ == file_->size()) co_return std::string_view{};
        piece_.resize(piece_bytes);
        const result<std::size_t> got = co_await file_->read(at_, piece_);
        if (got.has_error()) co_return got.error();
        if (*got == 0) co_return LETHE_ERR(errc::no_room);
        at_ += *got;
        co_return std::string_view(piece_).substr(0, *got);
    }
    std::optional<std::uint64_t> length() const noexcept override { return file_->size(); }
    bool rewind() noexcept override {
        at_ = 0;
        return true;
    }
    void release() noexcept override { delete this; }

 private:
    std::unique_ptr<file> file_;
    std::string piece_;
    std::uint64_t at_ = 0;
};

spool::spool(spool_options options) : impl_(std::make_unique<impl>(options)) {}
spool::~spool() {
    if (impl_->pool) impl_->pool->join();
    LETHE_ASSERT(impl_->bytes == 0);
}

std::uint64_t spool::bytes() const noexcept {
    return impl_->bytes;
}

task<spooled> spool::take(std::string begun, body_ptr rest) {
    auto to = std::make_unique<file>(*impl_);
    sha256_stream hash;
    std::string_view piece = begun;
    if (piece.empty()) {
        const result<std::string_view> first = co_await rest->read();
        if (first.has_error()) co_return first.error();
        piece = *first;
    }
    while (!piece.empty()) {
        hash.update(piece);
        const result<> kept = co_await to->append(piece);
        if (kept.has_error()) co_return kept.error();
        const result<std::string_view> next = co_await rest->read();
        if (next.has_error()) co_return next.error();
        piece = *next;
    }
    co_return spooled{body_ptr(new file_body(std::move(to))), hash.finish()};
}

}  // namespace lethe::http
