#include "base/log.hpp"
#include "library/sql_connection.hpp"

#include <sqlite3.h>

#include <utility>

namespace lethe::library {
namespace {

struct finalize {
    void operator()(sqlite3_stmt* one) const noexcept { sqlite3_finalize(one); }
};
using statement = std::unique_ptr<sqlite3_stmt, finalize>;

struct close {
    void operator()(sqlite3* one) const noexcept { sqlite3_close_v2(one); }
};
using handle = std::unique_ptr<sqlite3, close>;

// What an extended result code means to who asked. Nothing was done, whatever it is.
sql_errc meaning_of(int code) {
    switch (code & 0xff) {
        case SQLITE_BUSY: return code == SQLITE_BUSY_SNAPSHOT ? sql_errc::conflict : sql_errc::busy;
        case SQLITE_LOCKED: return sql_errc::busy;
        case SQLITE_CONSTRAINT: return sql_errc::constraint;
        case SQLITE_ERROR:
        case SQLITE_MISMATCH:
        case SQLITE_RANGE:
        case SQLITE_MISUSE:
        case SQLITE_TOOBIG:
        case SQLITE_SCHEMA:
        case SQLITE_AUTH: return sql_errc::bad_statement;
        default: return sql_errc::unavailable;
    }
}

int bind(sqlite3_stmt* to, int at, const sql_value& value) {
    if (std::holds_alternative<std::nullptr_t>(value)) return sqlite3_bind_null(to, at);
    if (const auto* yes = std::get_if<bool>(&value)) return sqlite3_bind_int(to, at, *yes ? 1 : 0);
    if (const auto* number = std::get_if<std::int64_t>(&value))
        return sqlite3_bind_int64(to, at, *number);
    if (const auto* real = std::get_if<double>(&value)) return sqlite3_bind_double(to, at, *real);
    if (const auto* text = std::get_if<std::string>(&value))
        return sqlite3_bind_text64(to, at, text->data(), text->size(), SQLITE_STATIC, SQLITE_UTF8);
    const std::string& bytes = std::get<sql_bytes>(value).data;
    // A null pointer would bind NULL.
    return sqlite3_bind_blob64(to, at, bytes.empty() ? "" : bytes.data(), bytes.size(),
                               SQLITE_STATIC);
}

sql_value column(sqlite3_stmt* of, int at) {
    const auto size = [&] { return static_cast<std::size_t>(sqlite3_column_bytes(of, at)); };
    switch (sqlite3_column_type(of, at)) {
        case SQLITE_INTEGER: return std::int64_t{sqlite3_column_int64(of, at)};
        case SQLITE_FLOAT: return sqlite3_column_double(of, at);
        case SQLITE_TEXT: {
            const unsigned char* text = sqlite3_column_text(of, at);
            return std::string(reinterpret_cast<const char*>(text), size());
        }
        case SQLITE_BLOB: {
            const void* bytes = sqlite3_column_blob(of, at);
            if (bytes == nullptr) return sql_bytes{};
            return sql_bytes{{static_cast<const char*>(bytes), size()}};
        }
        default: return nullptr;
    }
}

class sqlite_connection final : public sql_connection {
 public:
    explicit sqlite_connection(handle database) : database_(std::move(database)) {}

    result<> begin(transaction_kind kind) override {
        return simple(kind == transaction_kind::writing ? "BEGIN IMMEDIATE" : "BEGIN");
    }

    result<internal::sql_answer> run(std::string_view sql,
                                     std::span<const sql_value> parameters) override;

    // A COMMIT that fails leaves the transaction open or has rolled it back. A process that dies in
    // it leaves all or nothing.
    result<> commit() override {
        const result<> done = simple("COMMIT");
        if (done.has_error()) rollback();
        return done;
    }

    void rollback() noexcept override {
        if (sqlite3_get_autocommit(database_.get()) == 0)
            sqlite3_exec(database_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
    }

    // The one writer's turn was taken by BEGIN IMMEDIATE.
    result<lock_state> try_lock(std::int64_t) override { return lock_state::taken; }
    result<> lock_schema() override { return {}; }
    bool has_table(std::string_view name) override {
        const sql_value bound[] = {std::string(name)};
        const auto found = run("SELECT 1 FROM sqlite_master WHERE name = $1", bound);
        return found.has_value() && !found->rows.empty();
    }
    std::string_view bytes_type() const noexcept override { return "BLOB"; }
    bool idle() noexcept override { return sqlite3_get_autocommit(database_.get()) != 0; }

    [[nodiscard]] result<> simple(const char* sql) {
        const int code = sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr);
        if (code == SQLITE_OK) return {};
        return failure(sqlite3_extended_errcode(database_.get()));
    }

 private:
    error_code failure(int code) {
        const sql_errc meaning = meaning_of(code);
        // Of a wrong statement the message names words of its text, never a value.
        if (meaning == sql_errc::bad_statement || meaning == sql_errc::unavailable)
            log::warn("library.sql_failed",
                      {{"code", code}, {"what", sqlite3_errmsg(database_.get())}});
        return make_error_code(meaning);
    }

    result<> bind_all(sqlite3_stmt* to, std::span<const sql_value> parameters);

    handle database_;
};

// $1, $2, … are names to SQLite, numbered as they come: bound by their names.
result<> sqlite_connection::bind_all(sqlite3_stmt* to, std::span<const sql_value> parameters) {
    const int count = sqlite3_bind_parameter_count(to);
    for (int at = 1; at <= count; ++at) {
        const char* const name = sqlite3_bind_parameter_name(to, at);
        bool bound = false;
        for (std::size_t i = 0; name != nullptr && i < parameters.size() && !bound; ++i) {
            if ('$' + std::to_string(i + 1) != name) continue;
            const int code = bind(to, at, parameters[i]);
            if (code != SQLITE_OK) return failure(code);
            bound = true;
        }
        if (!bound) {
            log::warn("library.sql_failed", {{"what", "a parameter is not one of those given"}});
            return make_error_code(sql_errc::bad_statement);
        }
    }
    if (static_cast<std::size_t>(count) == parameters.size()) return {};
    log::warn("library.sql_failed", {{"what", "more parameters are given than the text has"}});
    return make_error_code(sql_errc::bad_statement);
}

result<internal::sql_answer> sqlite_connection::run(std::string_view sql,
                                                    std::span<const sql_value> parameters) {
    sqlite3_stmt* made = nullptr;
    const char* rest = nullptr;
    const int prepared =
        sqlite3_prepare_v2(database_.get(), sql.data(), static_cast<int>(sql.size()), &made, &rest);
    const statement held(made);
    if (prepared != SQLITE_OK) return failure(sqlite3_extended_errcode(database_.get()));
    const std::string_view left = sql.substr(static_cast<std::size_t>(rest - sql.data()));
    if (made == nullptr || left.find_first_not_of(" \t\r\n;") != std::string_view::npos) {
        log::warn("library.sql_failed", {{"what", "not one statement"}});
        return make_error_code(sql_errc::bad_statement);
    }
    LETHE_TRY_VOID(bind_all(made, parameters));
    internal::sql_answer out;
    const int columns = sqlite3_column_count(made);
    const std::int64_t before = sqlite3_total_changes64(database_.get());
    int code = SQLITE_ROW;
    while ((code = sqlite3_step(made)) == SQLITE_ROW) {
        std::vector<sql_value>& row = out.rows.emplace_back();
        for (int i = 0; i < columns; ++i) row.push_back(column(made, i));
    }
    if (code != SQLITE_DONE) return failure(sqlite3_extended_errcode(database_.get()));
    // Of this statement, not of an earlier one: SELECT and DDL change no rows.
    if (sqlite3_total_changes64(database_.get()) != before)
        out.changed = sqlite3_changes64(database_.get());
    return out;
}

}  // namespace

result<std::unique_ptr<sql_connection>> open_sqlite(const std::string& url,
                                                    const database_options& how) {
    const std::string path = url.substr(std::string_view("sqlite:").size());
    if (path.empty()) return make_error_code(sql_errc::bad_url);
    sqlite3* made = nullptr;
    const int code =
        sqlite3_open_v2(path.c_str(), &made,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
    handle database(made);
    if (code != SQLITE_OK) {
        log::warn("library.database_not_opened",
                  {{"what", made != nullptr ? sqlite3_errmsg(made) : sqlite3_errstr(code)}});
        return make_error_code(sql_errc::unavailable);
    }
    sqlite3_extended_result_codes(made, 1);
    sqlite3_busy_timeout(made, static_cast<int>(how.lock_wait.count()));
    auto connection = std::make_unique<sqlite_connection>(std::move(database));
    for (const char* sql :
         {"PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "PRAGMA foreign_keys=ON"})
        LETHE_TRY_VOID(connection->simple(sql));
    return std::unique_ptr<sql_connection>(std::move(connection));
}

}  // namespace lethe::library
