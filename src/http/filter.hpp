// One step of a request's way: a filter wraps the rest of it.
//
//     task<> my_filter::handle(exchange& x, next rest) {
//         if (refuse(x)) { answer_problem(x, …); co_return result<>{}; }   // never calls the rest
//         const result<> done = co_await rest(x);
//         if (done.has_error()) co_return done;                            // the connection is
//         lost … look at x.response … co_return done;
//     }
//
// An answer, also a refusal, is a value in the exchange. An error means that no answer can be given
// (the client is gone, the worker stops): the server then drops the connection.
#pragma once

#include "base/task.hpp"
#include "http/exchange.hpp"

#include <memory>
#include <span>

namespace lethe::http {

// The inner end of the way: an upstream pool, a C++ handler. One per worker.
class handler {
 public:
    virtual ~handler() = default;
    [[nodiscard]] virtual task<> handle(exchange& x) = 0;
};

class filter;

// The rest of the way, as seen from one filter. A value; copy freely.
class next {
 public:
    next(std::span<const std::unique_ptr<filter>> rest, handler& end) : rest_(rest), end_(&end) {}
    [[nodiscard]] task<> operator()(exchange& x) const;

 private:
    std::span<const std::unique_ptr<filter>> rest_;
    handler* end_;
};

// One per worker and route.
class filter {
 public:
    virtual ~filter() = default;
    [[nodiscard]] virtual task<> handle(exchange& x, next rest) = 0;
};

// A route's filters, outermost first, around its end.
class chain final : public handler {
 public:
    chain(std::vector<std::unique_ptr<filter>> filters, handler& end)
        : filters_(std::move(filters)), end_(end) {}
    task<> handle(exchange& x) override { return next(filters_, end_)(x); }

 private:
    std::vector<std::unique_ptr<filter>> filters_;
    handler& end_;
};

inline task<> next::operator()(exchange& x) const {
    if (rest_.empty()) return end_->handle(x);
    return rest_.front()->handle(x, next(rest_.subspan(1), *end_));
}

}  // namespace lethe::http
