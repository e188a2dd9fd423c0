// One connection to a service's database, and how its kinds are opened.
#pragma once

#include "base/error.hpp"
#include "lethe/database.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace lethe::library {

enum class transaction_kind : std::uint8_t {
    reading,  // may write, too, but may then meet a conflict
    writing,
};

enum class lock_state : std::uint8_t { taken, held_by_another };

// One thread at a time; its calls block. Errors are sql_errc. After any error but constraint the
// open transaction can only be rolled back.
class sql_connection {
 public:
    virtual ~sql_connection() = default;

    [[nodiscard]] virtual result<> begin(transaction_kind kind) = 0;
    [[nodiscard]] virtual result<internal::sql_answer> run(
        std::string_view sql, std::span<const sql_value> parameters) = 0;
    // outcome_unknown: it was sent, and whether it was done nobody knows. All other errors: nothing
    // of the transaction was done.
    [[nodiscard]] virtual result<> commit() = 0;
    virtual void rollback() noexcept = 0;

    // A lock named by a number, until the end of the transaction; the transaction writes.
    [[nodiscard]] virtual result<lock_state> try_lock(std::int64_t number) = 0;
    // Waits, as long as statements may: one process at a time makes tables.
    [[nodiscard]] virtual result<> lock_schema() = 0;
    [[nodiscard]] virtual bool has_table(std::string_view name) = 0;
    // The name of the type for bytes.
    [[nodiscard]] virtual std::string_view bytes_type() const noexcept = 0;

    // No transaction is open and the next one can be begun.
    [[nodiscard]] virtual bool idle() noexcept = 0;
};

enum class database_kind : std::uint8_t { unknown, sqlite, postgres };
[[nodiscard]] database_kind kind_of(std::string_view url) noexcept;

// `url` with "sqlite:" in front. Errors: unavailable, bad_url.
[[nodiscard]] result<std::unique_ptr<sql_connection>> open_sqlite(const std::string& url,
                                                                  const database_options& how);
[[nodiscard]] result<std::unique_ptr<sql_connection>> open_postgres(const std::string& url,
                                                                    const database_options& how);

// BEGIN, COMMIT and their like: a transaction is ended by whoever gave it.
[[nodiscard]] bool controls_transaction(std::string_view sql) noexcept;

}  // namespace lethe::library
