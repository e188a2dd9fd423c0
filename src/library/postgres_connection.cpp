// libpq's calls that do not wait, and a wait of our own with an end: a server that stands still
// must not hold a thread of the pool for ever.
#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/log.hpp"
#include "library/sql_connection.hpp"

#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <string>
#include <utility>

namespace lethe::library {
namespace {

using std::chrono::milliseconds;

// From PostgreSQL's catalogue (pg_type.dat); they never change.
constexpr Oid type_bool = 16;
constexpr Oid type_bytes = 17;
constexpr Oid type_int8 = 20;
constexpr Oid type_int2 = 21;
constexpr Oid type_int4 = 23;
constexpr Oid type_oid = 26;
constexpr Oid type_float4 = 700;
constexpr Oid type_float8 = 701;

// Asks whether tables may be made now: the same in all programs that use this library.
constexpr std::int64_t schema_lock = 0x6c65746865'736368;

steady_time now() {
    // lint: allow(clock) because this thread blocks in a database's client; no simulation runs it
    return std::chrono::steady_clock::now();
}

struct clear_result {
    void operator()(PGresult* one) const noexcept { PQclear(one); }
};
using result_ptr = std::unique_ptr<PGresult, clear_result>;

struct finish {
    void operator()(PGconn* one) const noexcept { PQfinish(one); }
};
using handle = std::unique_ptr<PGconn, finish>;

sql_errc meaning_of(std::string_view state) {
    if (state.starts_with("23")) return sql_errc::constraint;
    if (state == "40001" || state == "40P01") return sql_errc::conflict;
    if (state == "55P03") return sql_errc::busy;
    if (state == "57014") return sql_errc::timeout;
    if (state == "25P02") return sql_errc::failed_before;
    if (state == "08P01") return sql_errc::bad_statement;  // another number of parameters
    // Too many connections, no disk, starting up, going down, read only because it is a replica.
    static constexpr std::string_view away[] = {"08", "53", "57", "58", "XX", "25006"};
    for (const std::string_view one : away)
        if (state.starts_with(one)) return sql_errc::unavailable;
    return sql_errc::bad_statement;
}

// Parameters as libpq takes them: text, but bytes as they are.
struct bound_parameters {
    explicit bound_parameters(std::span<const sql_value> from) {
        texts.reserve(from.size());
        for (const sql_value& one : from) add(one);
    }
    void add(const sql_value& value);

    std::vector<std::string> texts;
    std::vector<const char*> values;
    std::vector<int> lengths;
    std::vector<int> formats;
    std::vector<Oid> types;
};

void bound_parameters::add(const sql_value& value) {
    const auto put = [&](std::string text, Oid type, int format) {
        texts.push_back(std::move(text));
        values.push_back(texts.back().data());
        lengths.push_back(static_cast<int>(texts.back().size()));
        formats.push_back(format);
        types.push_back(type);
    };
    if (const auto* yes = std::get_if<bool>(&value)) return put(*yes ? "t" : "f", 0, 0);
    if (const auto* number = std::get_if<std::int64_t>(&value))
        return put(std::to_string(*number), 0, 0);
    if (const auto* real = std::get_if<double>(&value)) {
        std::array<char, 32> digits;
        const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), *real).ptr;
        return put(std::string(digits.data(), end), 0, 0);
    }
    if (const auto* text = std::get_if<std::string>(&value)) return put(*text, 0, 0);
    if (const auto* bytes = std::get_if<sql_bytes>(&value)) return put(bytes->data, type_bytes, 1);
    put({}, 0, 0);
    values.back() = nullptr;
}

sql_value column(const PGresult* of, int row, int at) {
    if (PQgetisnull(of, row, at) != 0) return nullptr;
    const std::string_view text(PQgetvalue(of, row, at),
                                static_cast<std::size_t>(PQgetlength(of, row, at)));
    const char* const end = text.data() + text.size();
    switch (PQftype(of, at)) {
        case type_bool: return text == "t";
        case type_int2:
        case type_int4:
        case type_int8:
        case type_oid: {
            std::int64_t number = 0;
            std::from_chars(text.data(), end, number);
            return number;
        }
        case type_float4:
        case type_float8: {
            double real = 0;
            std::from_chars(text.data(), end, real);
            return real;
        }
        case type_bytes: {
            // "\x" and hexadecimal digits: bytea_output is set when the connection is made.
            result<std::string> bytes =
                from_hex(text.substr(std::min<std::size_t>(2, text.size())));
            return sql_bytes{bytes.has_value() ? *std::move(bytes) : std::string{}};
        }
        default: return std::string(text);
    }
}

class postgres_connection final : public sql_connection {
 public:
    postgres_connection(handle connection, const database_options& how)
        : connection_(std::move(connection)), how_(how) {}

    result<> set_up();
    result<> begin(transaction_kind) override {
        return simple(how_.isolation == sql_isolation::serializable
                          ? "BEGIN ISOLATION LEVEL SERIALIZABLE"
                          : "BEGIN ISOLATION LEVEL READ COMMITTED");
    }
    result<internal::sql_answer> run(std::string_view sql,
                                     std::span<const sql_value> parameters) override;
    result<> commit() override;
    void rollback() noexcept override {
        if (connection_ && PQtransactionStatus(connection_.get()) != PQTRANS_IDLE)
            static_cast<void>(simple("ROLLBACK"));
    }
    result<lock_state> try_lock(std::int64_t number) override;
    result<> lock_schema() override {
        const sql_value bound[] = {schema_lock};
        const auto done = run("SELECT pg_advisory_xact_lock($1::bigint)", bound);
        if (done.has_error()) return done.error();
        return {};
    }
    bool has_table(std::string_view name) override {
        const sql_value bound[] = {std::string(name)};
        const auto found = run("SELECT to_regclass($1) IS NOT NULL", bound);
        return found.has_value() && !found->rows.empty() &&
               found->rows.front().front() == sql_value(true);
    }
    std::string_view bytes_type() const noexcept override { return "BYTEA"; }
    bool idle() noexcept override {
        return connection_ && PQstatus(connection_.get()) == CONNECTION_OK &&
               PQtransactionStatus(connection_.get()) == PQTRANS_IDLE;
    }

 private:
    // The last result of what was sent; null: the connection is lost, or the time is over, after
    // which the connection is closed: the server then rolls back what was not committed.
    result_ptr receive();
    bool wait(short events, steady_time until);
    result<result_ptr> ask(std::string_view sql, const bound_parameters& with);
    result<> simple(const char* sql) {
        const auto done = ask(sql, bound_parameters({}));
        if (done.has_error()) return done.error();
        return {};
    }

    handle connection_;
    database_options how_;
    bool timed_out_ = false;
};

bool postgres_connection::wait(short events, steady_time until) {
    while (true) {
        const auto left = std::chrono::ceil<milliseconds>(until - now());
        if (left <= milliseconds{0}) return false;
        pollfd one{.fd = PQsocket(connection_.get()), .events = events, .revents = 0};
        const int ready = ::poll(&one, 1, static_cast<int>(left.count()));
        if (ready > 0) return true;
        if (ready < 0 && errno != EINTR) return false;
    }
}

result_ptr postgres_connection::receive() {
    // The server ends a statement that takes too long by itself; only one that stands still is met
    // here.
    const steady_time until = now() + how_.statement_time + milliseconds{1'000};
    result_ptr last;
    while (true) {
        while (PQisBusy(connection_.get()) != 0) {
            // What could not be sent at once leaves as the server reads it.
            const int unsent = PQflush(connection_.get());
            const short events = unsent == 1 ? POLLIN | POLLOUT : POLLIN;
            if (unsent < 0 || !wait(events, until) || PQconsumeInput(connection_.get()) == 0) {
                timed_out_ = now() >= until;
                connection_.reset();
                return nullptr;
            }
        }
        result_ptr got(PQgetResult(connection_.get()));
        if (!got) return last;
        last = std::move(got);
        const ExecStatusType status = PQresultStatus(last.get());
        if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH) {
            // COPY has no end here.
            connection_.reset();
            return nullptr;
        }
    }
}

result<result_ptr> postgres_connection::ask(std::string_view sql, const bound_parameters& with) {
    if (!connection_) return make_error_code(sql_errc::connection_lost);
    const std::string text(sql);
    const int sent = PQsendQueryParams(
        connection_.get(), text.c_str(), static_cast<int>(with.values.size()), with.types.data(),
        with.values.data(), with.lengths.data(), with.formats.data(), 0);
    if (sent == 0) {
        connection_.reset();
        return make_error_code(sql_errc::connection_lost);
    }
    result_ptr got = receive();
    if (!got) return make_error_code(timed_out_ ? sql_errc::timeout : sql_errc::connection_lost);
    const ExecStatusType status = PQresultStatus(got.get());
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY)
        return got;
    const char* const state = PQresultErrorField(got.get(), PG_DIAG_SQLSTATE);
    if (state == nullptr || PQstatus(connection_.get()) != CONNECTION_OK) {
        connection_.reset();
        return make_error_code(sql_errc::connection_lost);
    }
    const sql_errc meaning = meaning_of(state);
    // A wrong statement's message names words of its text; of data (class 22) it may name values.
    if (meaning == sql_errc::bad_statement) {
        const bool shown = std::string_view(state).starts_with("42");
        const char* const what = PQresultErrorField(got.get(), PG_DIAG_MESSAGE_PRIMARY);
        log::warn("library.sql_failed",
                  {{"sqlstate", state}, {"what", shown && what != nullptr ? what : ""}});
    }
    return make_error_code(meaning);
}

result<internal::sql_answer> postgres_connection::run(std::string_view sql,
                                                      std::span<const sql_value> parameters) {
    // A 0 would end the text early.
    if (sql.empty() || sql.find('\0') != std::string_view::npos)
        return make_error_code(sql_errc::bad_statement);
    for (const sql_value& one : parameters)
        if (const auto* text = std::get_if<std::string>(&one))
            if (text->find('\0') != std::string::npos)
                return make_error_code(sql_errc::bad_statement);
    LETHE_TRY(const result_ptr got, ask(sql, bound_parameters(parameters)));
    internal::sql_answer out;
    const std::string_view changed = PQcmdTuples(got.get());
    if (!std::string_view(PQcmdStatus(got.get())).starts_with("SELECT"))
        std::from_chars(changed.data(), changed.data() + changed.size(), out.changed);
    for (int row = 0; row < PQntuples(got.get()); ++row) {
        std::vector<sql_value>& values = out.rows.emplace_back();
        for (int at = 0; at < PQnfields(got.get()); ++at)
            values.push_back(column(got.get(), row, at));
    }
    return out;
}

// Only a refusal that names itself, on a connection that goes on, says that nothing was done.
result<> postgres_connection::commit() {
    if (!connection_) return make_error_code(sql_errc::connection_lost);
    if (PQtransactionStatus(connection_.get()) != PQTRANS_INTRANS) {
        rollback();
        return make_error_code(sql_errc::failed_before);
    }
    const result<result_ptr> done = ask("COMMIT", bound_parameters({}));
    if (done.has_value()) {
        if (std::string_view(PQcmdStatus(done->get())) == "COMMIT") return {};
        return make_error_code(sql_errc::failed_before);
    }
    const error_code& why = done.error();
    const bool refused =
        why == make_error_code(sql_errc::constraint) || why == make_error_code(sql_errc::conflict);
    if (refused && idle()) return why;
    connection_.reset();
    return make_error_code(sql_errc::outcome_unknown);
}

result<lock_state> postgres_connection::try_lock(std::int64_t number) {
    const sql_value bound[] = {number};
    LETHE_TRY(const internal::sql_answer got,
              run("SELECT pg_try_advisory_xact_lock($1::bigint)", bound));
    const bool taken = !got.rows.empty() && got.rows.front().front() == sql_value(true);
    return taken ? lock_state::taken : lock_state::held_by_another;
}

result<> postgres_connection::set_up() {
    const auto set = [this](const char* name, std::string value) -> result<> {
        const sql_value bound[] = {std::string(name), std::move(value)};
        const auto done = run("SELECT set_config($1, $2, false)", bound);
        if (done.has_error()) return done.error();
        return {};
    };
    LETHE_TRY_VOID(set("bytea_output", "hex"));
    LETHE_TRY_VOID(set("statement_timeout", std::to_string(how_.statement_time.count())));
    LETHE_TRY_VOID(set("lock_timeout", std::to_string(how_.lock_wait.count())));
    // A service that stands still with an open transaction lets go of its locks in the end.
    LETHE_TRY_VOID(set("idle_in_transaction_session_timeout",
                       std::to_string(2 * how_.statement_time.count())));
    // An answered commit is on disk, or more than that where the server is set up so.
    const auto durable =
        run("SELECT set_config('synchronous_commit', 'on', false) "
            "WHERE current_setting('synchronous_commit') = 'off'",
            {});
    if (durable.has_error()) return durable.error();
    return {};
}

}  // namespace

result<std::unique_ptr<sql_connection>> open_postgres(const std::string& url,
                                                      const database_options& how) {
    const auto patience = std::max<std::int64_t>(
        2, std::chrono::ceil<std::chrono::seconds>(std::min(how.statement_time, how.settle_time))
               .count());
    const std::string seconds = std::to_string(patience);
    // The URL comes last, so that what it says counts.
    const char* const names[] = {"connect_timeout", "application_name", "client_encoding", "dbname",
                                 nullptr};
    const char* const values[] = {seconds.c_str(), "lethe-service", "UTF8", url.c_str(), nullptr};
    handle connection(PQconnectdbParams(names, values, 1));
    if (!connection || PQstatus(connection.get()) != CONNECTION_OK) {
        // What libpq says names host and user, which are nobody's business here.
        log::warn("library.database_not_opened", {{"what", "no connection to PostgreSQL"}});
        return make_error_code(sql_errc::unavailable);
    }
    PQsetNoticeProcessor(connection.get(), [](void*, const char*) {}, nullptr);
    if (PQsetnonblocking(connection.get(), 1) != 0) return make_error_code(sql_errc::unavailable);
    auto made = std::make_unique<postgres_connection>(std::move(connection), how);
    LETHE_TRY_VOID(made->set_up());
    return std::unique_ptr<sql_connection>(std::move(made));
}

}  // namespace lethe::library
