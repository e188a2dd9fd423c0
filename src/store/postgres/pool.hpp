// The connections of one worker and what is asked over them.
//
// Writes that wait at the same time leave together and share one transaction of the server, and so
// one commit: a conflict is an answer, not an error, and does not concern the others. When the
// server refuses one statement, all of them are undone; each is then asked again by itself.
//
// The last of several connections is for reads, which so never wait for a commit; the others are
// for writes. Where one is missing the others stand in. A connection is made at the first call and
// made again when it is lost, after a pause that doubles with jitter where the server did not let
// us in.
#pragma once

#include "base/metrics.hpp"
#include "base/task.hpp"
#include "net/worker.hpp"
#include "store/open.hpp"
#include "store/postgres/calls.hpp"
#include "store/postgres/url.hpp"

#include <memory>
#include <string>
#include <vector>

namespace lethe::store::postgres {

struct pool_options {
    std::shared_ptr<const settings> to;
    std::string store_name;
    metrics::registry& registry;
    std::size_t queue_operations_max;
    std::size_t queue_bytes_max;
    // As many operations do not wait for another connection's commit.
    std::size_t worth_a_commit = 16;
    // For each server, and then for settings, tables and statements.
    std::chrono::milliseconds connect_timeout{2000};
    std::chrono::milliseconds setup_timeout{10'000};
    std::chrono::milliseconds pause_first{20};
    std::chrono::milliseconds pause_last{2000};
    // Calls wait for the end of a pause as short as this; with a longer one they end at once.
    std::chrono::milliseconds patience{100};
    // Asked, and no byte has come for so long: the connection is closed.
    std::chrono::milliseconds stuck_after{10'000};
};

// A connection made and set up, but no pipeline yet: what tools use by itself. `why` is a sentence.
[[nodiscard]] task<std::unique_ptr<connection>> connect_anywhere(net::worker& on,
                                                                 const pool_options& options,
                                                                 std::size_t& endpoint_index,
                                                                 std::string& why);

// One worker; may be made on any thread. Destroyed before its worker; calls under way then end with
// unavailable or outcome_unknown, as they do when the worker stops.
class pool {
 public:
    pool(net::worker& on, pool_options options);
    ~pool();
    pool(const pool&) = delete;
    pool& operator=(const pool&) = delete;

    // What each statement brought, in the order given. The statements' views must hold until then.
    // Errors: overloaded, timeout and unavailable (nothing was changed), corrupt, outcome_unknown.
    [[nodiscard]] task<std::vector<rows>> ask(std::vector<statement> statements, purpose what,
                                              steady_time deadline);

    // Holds a connection from begin() to commit() or its own end, which undoes everything.
    class transaction {
     public:
        transaction() = default;
        ~transaction();
        transaction(const transaction&) = delete;
        transaction& operator=(const transaction&) = delete;

     private:
        friend class pool;
        std::shared_ptr<void> held_;
    };
    // `statements` begin with BEGIN.
    [[nodiscard]] task<std::vector<rows>> begin(std::vector<statement> statements,
                                                steady_time deadline, transaction& out);
    [[nodiscard]] task<> commit(transaction& one, steady_time deadline);

    // Closes the connections; what waits ends. Later calls end with unavailable.
    void close() noexcept;
    // A connection is there.
    [[nodiscard]] bool open() const noexcept;

    struct impl;

 private:
    std::shared_ptr<impl> impl_;
};

}  // namespace lethe::store::postgres
