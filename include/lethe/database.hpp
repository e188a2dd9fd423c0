// A service's own database: SQLite in a file, or PostgreSQL.
//
//     lethe::database db("sqlite:shop.db");   // or postgresql://shop@localhost/shop
//     const auto made = db.run([](lethe::transaction& tx) -> boost::system::result<void> {
//         const auto table = tx.execute("CREATE TABLE IF NOT EXISTS orders (…)");
//         if (table.has_error()) return table.error();
//         return {};
//     });
//     service.get("/orders", lethe::transactional(db, list_orders));
#pragma once

#include "lethe/request.hpp"
#include "lethe/response.hpp"
#include "lethe/service.hpp"
#include "lethe/sql.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace lethe {
inline namespace v1 {

enum class sql_isolation {
    // What PostgreSQL does by itself: each statement sees what was committed before it began.
    read_committed,
    // As if all transactions ran one after another. Conflicts are more frequent, and run again.
    serializable,
};

struct database_options {
    // How long a statement waits for others' locks; in SQLite: for its turn to write.
    std::chrono::milliseconds lock_wait{5'000};
    // PostgreSQL: how long a statement may take at all.
    std::chrono::milliseconds statement_time{30'000};
    // PostgreSQL; SQLite's transactions always are serializable.
    sql_isolation isolation = sql_isolation::read_committed;
    // How often a transaction that met a conflict is begun, in all.
    unsigned tries_max = 8;
    // How long the answer to a lost COMMIT is looked for, before it is given up as unknown; and how
    // long a connection to PostgreSQL may take to come about, in whole seconds, 2 or more.
    std::chrono::milliseconds settle_time{10'000};
};

namespace internal {
struct database_parts;
}

// One owner, neither copied nor moved; outlives the service that uses it. Any thread. Connects when
// it is first used, and keeps as many connections as calls have been under way at once: at most
// service_options::blocking_threads.
//
// URLs: "sqlite:FILE" (the file is set to write-ahead logging, commits are on disk before they are
// answered), "postgresql://user:password@host:port/name?…" as libpq has it.
class database {
 public:
    explicit database(std::string_view url, database_options options = {});
    ~database();
    database(const database&) = delete;
    database& operator=(const database&) = delete;

    // Runs `work` in a transaction, which is committed if it answers without an error and no
    // statement failed, else rolled back. Run again from the start when it meets a conflict: it
    // must have no effects but the transaction's. Blocks: not on a worker, but before the service
    // runs, or inside of blocking(). Errors: the work's own, sql_errc.
    [[nodiscard]] boost::system::result<void> run(
        const std::function<boost::system::result<void>(transaction&)>& work);

    // Erases what idempotent handlers keep of a person's answers (idempotent_options::caller_field)
    // and the person's name beside them. That keys were used is kept: a retry is not run again but
    // gets 409 replay-unavailable. How many; blocks.
    [[nodiscard]] boost::system::result<std::size_t> erase_outcomes(std::string_view subject);

 private:
    friend struct internal::database_parts;
    std::unique_ptr<internal::database_parts> parts_;
};

// A handler that runs on the service's pool for blocking work, inside of a transaction. It is
// committed when the answer's status is below 400 and no statement failed, else rolled back. May
// run several times, see database::run(). What fails becomes 503 or 500 by itself.
using transaction_handler = std::function<response(request&, transaction&)>;
[[nodiscard]] handler transactional(database& db, transaction_handler work);

}  // namespace v1
}  // namespace lethe
