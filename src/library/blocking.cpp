#include "library/blocking.hpp"

#include "lethe/blocking.hpp"
#include "net/worker.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/execution/context.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>

namespace lethe {
namespace library {

blocking_pool::blocking_pool(unsigned threads, std::size_t queue_max) : queue_max_(queue_max) {
    for (unsigned i = 0; i < std::max(1U, threads); ++i) threads_.emplace_back([this] { run(); });
}

blocking_pool::~blocking_pool() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    for (std::thread& one : threads_) one.join();
}

bool blocking_pool::submit(std::function<void()> work) {
    {
        const std::lock_guard lock(mutex_);
        if (queue_.size() >= queue_max_) return false;
        queue_.push_back(std::move(work));
    }
    wake_.notify_one();
    return true;
}

void blocking_pool::run() {
    std::unique_lock lock(mutex_);
    while (true) {
        wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
        if (queue_.empty()) return;
        std::function<void()> work = std::move(queue_.front());
        queue_.pop_front();
        lock.unlock();
        work();
        work = nullptr;  // what it holds dies outside of the lock
        lock.lock();
    }
}

namespace {

using boost::asio::any_io_executor;

// What a worker's loop knows of the pool.
class pool_reference final : public boost::asio::execution_context::service {
 public:
    static boost::asio::execution_context::id id;

    explicit pool_reference(boost::asio::execution_context& owner) : service(owner) {}
    void shutdown() override {}

    blocking_pool* pool = nullptr;
};
boost::asio::execution_context::id pool_reference::id;

blocking_pool* find_pool(const any_io_executor& executor) {
    boost::asio::execution_context& context =
        boost::asio::query(executor, boost::asio::execution::context);
    if (!boost::asio::has_service<pool_reference>(context)) return nullptr;
    return boost::asio::use_service<pool_reference>(context).pool;
}

// Starts the work on the pool; its end resumes the waiting coroutine on its own loop.
struct start_on_pool {
    blocking_pool* pool;
    any_io_executor executor;

    template <class Handler>
    void operator()(Handler&& resume, std::function<void()> work) const {
        // A loop must not run out of work while its coroutine waits here.
        auto tracked =
            boost::asio::prefer(executor, boost::asio::execution::outstanding_work.tracked);
        auto waiting = std::make_shared<std::decay_t<Handler>>(std::forward<Handler>(resume));
        auto answer = [waiting, tracked](boost::system::error_code error) {
            boost::asio::post(tracked, [waiting, error] { std::move (*waiting)(error); });
        };
        const bool taken = pool->submit([answer, work = std::move(work)] {
            work();
            answer({});
        });
        if (!taken) answer(make_error_code(service_errc::pool_full));
    }
};

}  // namespace

void attach_pool(net::worker& to, blocking_pool& pool) {
    const any_io_executor executor = to.executor();
    boost::asio::execution_context& context =
        boost::asio::query(executor, boost::asio::execution::context);
    boost::asio::use_service<pool_reference>(context).pool = &pool;
}

}  // namespace library

inline namespace v1 {
namespace internal {

boost::asio::awaitable<boost::system::error_code> run_blocking(std::function<void()> work) {
    const boost::asio::any_io_executor executor = co_await boost::asio::this_coro::executor;
    library::blocking_pool* const pool = library::find_pool(executor);
    if (pool == nullptr) co_return make_error_code(service_errc::no_pool);
    constexpr auto token = boost::asio::as_tuple(boost::asio::use_awaitable);
    const library::start_on_pool start{pool, executor};
    const auto [error] =
        co_await boost::asio::async_initiate<decltype(token), void(boost::system::error_code)>(
            start, token, std::move(work));
    co_return error;
}

}  // namespace internal
}  // namespace v1
}  // namespace lethe
