// SQL over a service's own SQLite or PostgreSQL database, with types, inside of one transaction.
//
//     const auto added = tx.execute("INSERT INTO orders (user_name, items) VALUES ($1, $2)", user,
//                                   items);
//     const auto found = tx.query<std::int64_t, std::string>(
//         "SELECT id, items FROM orders WHERE user_name = $1", user);
//     if (found.has_error()) return lethe::response::problem(503, "Not now");
//     for (const auto& [id, items] : *found) ...
//
// Parameters are $1, $2 and so on in both databases. They are bound, never put into the text.
#pragma once

#include <boost/system/error_code.hpp>
#include <boost/system/result.hpp>

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace lethe {
inline namespace v1 {

enum class sql_errc {
    // The URL is neither sqlite: nor postgresql:, or lacks something.
    bad_url = 1,
    // The database cannot be opened or reached. Nothing was changed.
    unavailable,
    // Another transaction held a lock for longer than database_options::lock_wait.
    busy,
    // Two transactions met that cannot both be: run the whole transaction again.
    conflict,
    // A UNIQUE, NOT NULL, CHECK or FOREIGN KEY rule of a table refused.
    constraint,
    // The statement is wrong: its text, its tables, its number of parameters. The log says what.
    bad_statement,
    // A column's value cannot be read as the wanted type, or there are more or fewer columns.
    wrong_type,
    // query_row() found no row.
    no_row,
    // A statement took longer than database_options::statement_time.
    timeout,
    // The connection broke before COMMIT was sent. Nothing was changed.
    connection_lost,
    // COMMIT was sent and its answer was lost: done or not, nobody knows.
    outcome_unknown,
    // An earlier statement of the transaction failed, so it cannot go on.
    failed_before,
};
[[nodiscard]] boost::system::error_code make_error_code(sql_errc e) noexcept;

}  // namespace v1
}  // namespace lethe

template <>
struct boost::system::is_error_code_enum<lethe::v1::sql_errc> : std::true_type {};

namespace lethe {
inline namespace v1 {

// Bytes: BLOB or BYTEA, where a std::string is text.
struct sql_bytes {
    std::string data;

    bool operator==(const sql_bytes&) const = default;
};

// What is bound to a parameter or stood in a column; nullptr is NULL. SQLite keeps a bool as 0
// or 1.
using sql_value = std::variant<std::nullptr_t, bool, std::int64_t, double, std::string, sql_bytes>;

namespace internal {

template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;

template <class T>
sql_value to_sql_value(const T& from) {
    if constexpr (is_optional<T>) {
        return from ? to_sql_value(*from) : sql_value(nullptr);
    } else if constexpr (std::same_as<T, std::nullptr_t> || std::same_as<T, bool> ||
                         std::same_as<T, sql_bytes> || std::same_as<T, sql_value>) {
        return from;
    } else if constexpr (std::integral<T>) {
        static_assert(std::signed_integral<T> || sizeof(T) < sizeof(std::int64_t),
                      "SQL has signed integers of 64 bits");
        return static_cast<std::int64_t>(from);
    } else if constexpr (std::floating_point<T>) {
        return static_cast<double>(from);
    } else {
        static_assert(std::convertible_to<const T&, std::string_view>,
                      "a parameter is a number, a bool, text, sql_bytes, nullptr or an optional");
        return std::string(std::string_view(from));
    }
}

// False: it is something else. A number is read from text that is one, as PostgreSQL's numeric is.
[[nodiscard]] bool read_column(const sql_value& from, bool& to);
[[nodiscard]] bool read_column(const sql_value& from, std::int64_t& to);
[[nodiscard]] bool read_column(const sql_value& from, double& to);
[[nodiscard]] bool read_column(const sql_value& from, std::string& to);
[[nodiscard]] bool read_column(const sql_value& from, sql_bytes& to);
template <class T>
    requires std::integral<T>
[[nodiscard]] bool read_column(const sql_value& from, T& to) {
    std::int64_t wide = 0;
    if (!read_column(from, wide) || !std::in_range<T>(wide)) return false;
    to = static_cast<T>(wide);
    return true;
}
template <class T>
[[nodiscard]] bool read_column(const sql_value& from, std::optional<T>& to) {
    to.reset();
    return std::holds_alternative<std::nullptr_t>(from) || read_column(from, to.emplace());
}

struct sql_answer {
    std::vector<std::vector<sql_value>> rows;
    std::int64_t changed = 0;
};

template <class... Columns, std::size_t... Index>
bool read_row(const std::vector<sql_value>& from, std::tuple<Columns...>& to,
              std::index_sequence<Index...>) {
    return from.size() == sizeof...(Columns) &&
           (read_column(from[Index], std::get<Index>(to)) && ...);
}

struct transaction_state;

}  // namespace internal

// One transaction that is open. Whoever gave it commits it or rolls it back. One thread; its calls
// block, so it is met only where that may be: in transactional handlers and database::run().
//
// Once a statement has failed, all later ones answer failed_before, and nothing of the transaction
// is kept. BEGIN, COMMIT, ROLLBACK and the like are refused as bad_statement.
class transaction {
 public:
    explicit transaction(internal::transaction_state& state) noexcept : state_(&state) {}
    transaction(const transaction&) = delete;
    transaction& operator=(const transaction&) = delete;

    // One statement; how many rows it changed.
    template <class... Parameters>
    boost::system::result<std::int64_t> execute(std::string_view sql,
                                                const Parameters&... parameters) {
        const std::array<sql_value, sizeof...(Parameters)> bound{
            internal::to_sql_value(parameters)...};
        const boost::system::result<internal::sql_answer> done = run(sql, bound);
        if (done.has_error()) return done.error();
        return done->changed;
    }

    // All rows of one statement, each a tuple of the wanted types: std::int64_t and other integers,
    // double, bool, std::string, sql_bytes, and std::optional of those for what may be NULL.
    template <class... Columns, class... Parameters>
    [[nodiscard]] boost::system::result<std::vector<std::tuple<Columns...>>> query(
        std::string_view sql, const Parameters&... parameters) {
        static_assert(sizeof...(Columns) > 0, "say which types the columns have: query<int>(...)");
        const std::array<sql_value, sizeof...(Parameters)> bound{
            internal::to_sql_value(parameters)...};
        const boost::system::result<internal::sql_answer> done = run(sql, bound);
        if (done.has_error()) return done.error();
        std::vector<std::tuple<Columns...>> out(done->rows.size());
        for (std::size_t i = 0; i < out.size(); ++i)
            if (!internal::read_row(done->rows[i], out[i], std::index_sequence_for<Columns...>{}))
                return make_error_code(sql_errc::wrong_type);
        return out;
    }

    // The first row, of one column the value itself. sql_errc::no_row when there is none, after
    // which the transaction can go on.
    template <class... Columns, class... Parameters>
    [[nodiscard]] auto query_row(std::string_view sql, const Parameters&... parameters) {
        using row = std::conditional_t<sizeof...(Columns) == 1,
                                       std::tuple_element_t<0, std::tuple<Columns...>>,
                                       std::tuple<Columns...>>;
        // Said in full, because a bool could be made from an error.
        using made = boost::system::result<row>;
        auto all = query<Columns...>(sql, parameters...);
        if (all.has_error()) return made(boost::system::in_place_error, all.error());
        if (all->empty())
            return made(boost::system::in_place_error, make_error_code(sql_errc::no_row));
        if constexpr (sizeof...(Columns) == 1)
            return made(boost::system::in_place_value, std::get<0>(std::move(all->front())));
        else
            return made(boost::system::in_place_value, std::move(all->front()));
    }

    // Why the first statement that failed did; no error while all went well.
    [[nodiscard]] boost::system::error_code failure() const noexcept;

 private:
    [[nodiscard]] boost::system::result<internal::sql_answer> run(
        std::string_view sql, std::span<const sql_value> parameters);

    internal::transaction_state* state_;
};

}  // namespace v1
}  // namespace lethe
