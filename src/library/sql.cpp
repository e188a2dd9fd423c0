#include "lethe/sql.hpp"

#include "base/bytes.hpp"
#include "library/sql_connection.hpp"
#include "library/transaction_state.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <initializer_list>

namespace lethe {
inline namespace v1 {

boost::system::error_code make_error_code(sql_errc e) noexcept {
    static constexpr error_row rows[] = {
        {static_cast<int>(sql_errc::bad_url), "not the URL of a database", condition::malformed},
        {static_cast<int>(sql_errc::unavailable), "the database cannot be reached",
         condition::unavailable},
        {static_cast<int>(sql_errc::busy), "others hold a lock for too long",
         condition::overloaded},
        {static_cast<int>(sql_errc::conflict), "two transactions cannot both be",
         condition::conflict},
        {static_cast<int>(sql_errc::constraint), "a rule of the table refused",
         condition::conflict},
        {static_cast<int>(sql_errc::bad_statement), "the statement is wrong", condition::malformed},
        {static_cast<int>(sql_errc::wrong_type), "the columns are of other types",
         condition::malformed},
        {static_cast<int>(sql_errc::no_row), "there is no such row", condition::not_found},
        {static_cast<int>(sql_errc::timeout), "the statement took too long", condition::timeout},
        {static_cast<int>(sql_errc::connection_lost), "the connection broke before the commit",
         condition::unavailable},
        {static_cast<int>(sql_errc::outcome_unknown), "the answer to the commit was lost",
         condition::outcome_unknown},
        {static_cast<int>(sql_errc::failed_before), "an earlier statement failed",
         condition::conflict},
    };
    static const table_category category{"lethe.sql", rows};
    return {static_cast<int>(e), category};
}

namespace internal {
namespace {

template <class Number>
bool parse_whole(const std::string& text, Number& to) {
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, to);
    return error == std::errc{} && stop == end && !text.empty();
}

}  // namespace

bool read_column(const sql_value& from, bool& to) {
    std::int64_t number = 0;
    if (const bool* yes = std::get_if<bool>(&from)) {
        to = *yes;
        return true;
    }
    if (!read_column(from, number) || (number != 0 && number != 1)) return false;
    to = number == 1;
    return true;
}

bool read_column(const sql_value& from, std::int64_t& to) {
    if (const auto* number = std::get_if<std::int64_t>(&from)) {
        to = *number;
        return true;
    }
    const auto* text = std::get_if<std::string>(&from);
    return text != nullptr && parse_whole(*text, to);
}

bool read_column(const sql_value& from, double& to) {
    if (const auto* real = std::get_if<double>(&from)) {
        to = *real;
        return true;
    }
    if (const auto* number = std::get_if<std::int64_t>(&from)) {
        to = static_cast<double>(*number);
        return true;
    }
    const auto* text = std::get_if<std::string>(&from);
    return text != nullptr && parse_whole(*text, to);
}

bool read_column(const sql_value& from, std::string& to) {
    const auto* text = std::get_if<std::string>(&from);
    if (text != nullptr) to = *text;
    return text != nullptr;
}

bool read_column(const sql_value& from, sql_bytes& to) {
    const auto* bytes = std::get_if<sql_bytes>(&from);
    if (bytes != nullptr) to = *bytes;
    return bytes != nullptr;
}

}  // namespace internal

boost::system::error_code transaction::failure() const noexcept {
    return state_->failure;
}

boost::system::result<internal::sql_answer> transaction::run(
    std::string_view sql, std::span<const sql_value> parameters) {
    if (state_->failure) return make_error_code(sql_errc::failed_before);
    result<internal::sql_answer> done = make_error_code(sql_errc::bad_statement);
    if (!library::controls_transaction(sql)) done = state_->on.run(sql, parameters);
    if (done.has_error()) state_->failure = done.error();
    return done;
}

}  // namespace v1

namespace library {
namespace {

// What stands before the first word: white space, comments, semicolons.
std::string_view skip_to_word(std::string_view sql) {
    while (!sql.empty()) {
        if (sql.starts_with("--")) {
            sql.remove_prefix(std::min(sql.find('\n'), sql.size()));
        } else if (sql.starts_with("/*")) {
            // PostgreSQL nests them.
            std::size_t depth = 0;
            do {
                const bool opens = sql.starts_with("/*");
                const bool closes = sql.starts_with("*/");
                depth = depth + (opens ? 1 : 0) - (closes ? 1 : 0);
                sql.remove_prefix(std::min<std::size_t>(opens || closes ? 2 : 1, sql.size()));
            } while (depth > 0 && !sql.empty());
        } else if (std::string_view(" \t\r\n\f\v;").find(sql.front()) != std::string_view::npos) {
            sql.remove_prefix(1);
        } else {
            break;
        }
    }
    return sql;
}

}  // namespace

bool controls_transaction(std::string_view sql) noexcept {
    const std::string_view from = skip_to_word(sql);
    const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
    const auto end = std::ranges::find_if_not(from, is_letter);
    const std::string_view word(from.begin(), end);
    static constexpr std::string_view words[] = {
        "BEGIN", "START", "COMMIT", "END", "ABORT", "ROLLBACK", "SAVEPOINT", "RELEASE", "PREPARE"};
    return std::ranges::any_of(
        words, [&](std::string_view one) { return equal_ignoring_case(one, word); });
}

database_kind kind_of(std::string_view url) noexcept {
    if (url.starts_with("sqlite:")) return database_kind::sqlite;
    if (url.starts_with("postgresql://") || url.starts_with("postgres://"))
        return database_kind::postgres;
    return database_kind::unknown;
}

}  // namespace library
}  // namespace lethe
