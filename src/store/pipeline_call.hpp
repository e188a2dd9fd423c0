// A request as its coroutine keeps it: asking and waiting without a coroutine frame and without an
// allocation of its own, for what happens once per request.
//
//     pipeline::call asked(through, 1);
//     asked.request() += ...;
//     if (asked.send(deadline)) co_await asked.ended();
//     if (asked.error()) ...
#pragma once

#include "net/suspension.hpp"
#include "net/timer.hpp"
#include "store/pipeline.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace lethe::store {

// One worker; stays where it is until it has ended.
class pipeline::call final : net::timer {
 public:
    // `replies`: how many the request brings, 1 or more.
    call(pipeline& through, std::size_t replies);

    // What will be sent: empty at first, with room from an earlier request.
    [[nodiscard]] std::string& request() noexcept { return request_; }
    // False: it was refused, and error() says why. True: await ended(), once. The pipeline may be
    // gone by then.
    [[nodiscard]] bool send(steady_time deadline);
    [[nodiscard]] auto ended() { return waiting_.wait(); }

    // As pipeline::ask.
    [[nodiscard]] const error_code& error() const noexcept { return error_; }
    // The replies, one behind the other. Views what was read: until the coroutine waits again.
    [[nodiscard]] std::string_view replies() const noexcept { return whole_; }

 private:
    friend class pipeline;
    friend struct impl;

    // Keeps the replies.
    call(pipeline& through, std::string request, std::size_t replies);
    void expired() override;

    impl& in_;
    std::string request_;
    std::size_t request_bytes_ = 0;
    std::size_t expected_;
    bool keeps_;  // its replies are collected, for who reads them later
    bool sent_ = false;
    bool ended_ = false;
    error_code error_;
    std::string_view whole_;
    std::string collected_;
    net::suspension waiting_;
    std::uint64_t place_ = 0;  // in the order of all that were sent; once `sent_`
    // Among those that are not sent.
    call* previous_ = nullptr;
    call* next_ = nullptr;
};

}  // namespace lethe::store
