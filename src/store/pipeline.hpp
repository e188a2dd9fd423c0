// One connection to a server that answers in the order it was asked (Redis, Memcached), shared by
// all that a worker asks of it.
//
// Requests of one turn of the worker's loop leave in one write. The connection is made at the first
// request. When it is lost, what had been sent ends with outcome_unknown, what had not with
// unavailable; the next request makes it again. When that fails, requests are refused until a pause
// is over, which doubles with jitter.
#pragma once

#include "base/metrics.hpp"
#include "net/address.hpp"
#include "net/stream.hpp"
#include "net/worker.hpp"
#include "store/store.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace lethe::store {

// How the bytes of one protocol are cut into replies. No sockets.
class reply_cutter {
 public:
    virtual ~reply_cutter() = default;
    // How long the first reply in `bytes` is; 0 while it is not all there yet. Called again with
    // more behind the same beginning, so it may remember how far it came. corrupt when this can
    // never become a reply: the connection is closed then.
    [[nodiscard]] virtual result<std::size_t> cut(std::string_view bytes) = 0;
    // A whole reply that nobody asked for (a push of RESP3): it is left out.
    [[nodiscard]] virtual bool is_unasked(std::string_view reply) const = 0;
    // After cut() answered 0: how many bytes the reply will have at least, so that the buffer for a
    // large one is made once; 0 where that is not known.
    [[nodiscard]] virtual std::size_t bytes_wanted() const noexcept { return 0; }
};

struct pipeline_options {
    net::address server;
    // Connects (plainly or over TLS); empty: net::connect.
    std::function<task<net::stream>(net::worker& on, net::address to, steady_time deadline)>
        connect = {};
    // What is sent on each new connection before anything else (AUTH, HELLO, SELECT), with how many
    // replies that brings; `greeted` looks at one of them: an error closes the connection and is
    // what the waiting requests end with.
    std::string greeting = {};
    std::size_t greeting_replies = 0;
    std::function<result<>(std::size_t index, std::string_view reply)> greeted = {};
    std::function<std::unique_ptr<reply_cutter>()> make_cutter;
    std::chrono::milliseconds connect_timeout{2000};
    std::chrono::milliseconds pause_first{20};
    std::chrono::milliseconds pause_last{2000};
    // Asked, and no byte has come for so long: the connection is closed.
    std::chrono::milliseconds stuck_after{10'000};
    std::size_t queue_requests_max = 10'000;
    std::size_t queue_bytes_max = std::size_t{128} * 1024 * 1024;
    std::size_t reply_bytes_max = std::size_t{64} * 1024 * 1024;
    // Where connections and requests are counted, under this name of the store; null: nowhere.
    metrics::registry* registry = nullptr;
    std::string store_name = {};
};

// One worker; may be made on any thread. Destroyed before its worker; calls under way then end with
// unavailable or outcome_unknown, as they do when the worker stops. An open connection keeps
// worker::run() from returning: close it first.
class pipeline {
 public:
    pipeline(net::worker& on, pipeline_options options);
    ~pipeline();
    pipeline(const pipeline&) = delete;
    pipeline& operator=(const pipeline&) = delete;

    // Sends `request`, which brings `replies` (1 or more) replies, and waits for them: their bytes,
    // one behind the other. Errors: overloaded, timeout and unavailable (never sent, and never will
    // be), outcome_unknown (sent, the replies lost or not there at the deadline: the connection
    // goes on, late replies are dropped), corrupt (sent, and what came back is no reply: nobody
    // knows either), or what `greeted` said (never sent).
    [[nodiscard]] task<std::string> ask(std::string request, std::size_t replies,
                                        steady_time deadline);

    // The same without a coroutine frame: pipeline_call.hpp.
    class call;

    // Nothing more is sent; what waits ends. For a server that is no longer wanted.
    void close() noexcept;
    // Connected and greeted.
    [[nodiscard]] bool open() const noexcept;

 private:
    struct impl;
    std::shared_ptr<impl> impl_;  // with the coroutines of its connection
};

}  // namespace lethe::store
