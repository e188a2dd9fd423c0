#include "store/postgres/connection.hpp"

#include "net/errors.hpp"
#include "net/look_up.hpp"
#include "store/store.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <fcntl.h>
#include <libpq-fe.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>
#include <utility>
#include <vector>

namespace lethe::store::postgres {
namespace {

namespace asio = boost::asio;
using descriptor = asio::posix::stream_descriptor;

struct finish {
    void operator()(PGconn* one) const noexcept { PQfinish(one); }
};
struct clear_result {
    void operator()(PGresult* one) const noexcept { PQclear(one); }
};

// libpq explains further below.
std::string first_line(const char* text) {
    const std::string_view all = text == nullptr ? "" : text;
    return std::string(all.substr(0, all.find('\n')));
}

// The primary message alone: details and context may hold a key or a value.
failure failure_of(const PGresult* from, const PGconn* on) {
    const char* state = PQresultErrorField(from, PG_DIAG_SQLSTATE);
    const char* message = PQresultErrorField(from, PG_DIAG_MESSAGE_PRIMARY);
    const char* severity = PQresultErrorField(from, PG_DIAG_SEVERITY_NONLOCALIZED);
    failure out{.sqlstate = state == nullptr ? "" : state,
                .message = first_line(message == nullptr ? PQerrorMessage(on) : message)};
    out.fatal = severity == nullptr || std::string_view(severity) == "FATAL" ||
                std::string_view(severity) == "PANIC";
    return out;
}

}  // namespace

// ---- rows

void rows::clear::operator()(pg_result* one) const noexcept {
    PQclear(one);
}
std::size_t rows::size() const noexcept {
    return static_cast<std::size_t>(PQntuples(result_.get()));
}
std::size_t rows::columns() const noexcept {
    return static_cast<std::size_t>(PQnfields(result_.get()));
}
bool rows::is_null(std::size_t row, std::size_t column) const noexcept {
    return PQgetisnull(result_.get(), static_cast<int>(row), static_cast<int>(column)) != 0;
}
std::string_view rows::at(std::size_t row, std::size_t column) const noexcept {
    const int r = static_cast<int>(row);
    const int c = static_cast<int>(column);
    return {PQgetvalue(result_.get(), r, c),
            static_cast<std::size_t>(PQgetlength(result_.get(), r, c))};
}
std::size_t rows::affected() const noexcept {
    return static_cast<std::size_t>(std::strtoull(PQcmdTuples(result_.get()), nullptr, 10));
}
std::string_view rows::tag() const noexcept {
    return PQcmdStatus(result_.get());
}

// ---- the connection

struct connection::impl final : net::timer, net::stoppable {
    explicit impl(net::worker& on) : owner(on) { owner.enlist(*this); }
    ~impl() { owner.delist(*this); }
    impl(const impl&) = delete;
    impl& operator=(const impl&) = delete;

    void expired() override {
        timed_out = true;
        cancel();
    }
    void stop_waiting() noexcept override {
        stopped = true;
        cancel();
    }
    void cancel() noexcept {
        boost::system::error_code ignored;
        if (socket) static_cast<void>(socket->cancel(ignored));
    }

    // libpq closes its socket when it likes: the loop watches one of its own.
    result<> watch() {
        const int own = ::fcntl(PQsocket(pg.get()), F_DUPFD_CLOEXEC, 0);
        if (own < 0) return LETHE_ERR(errc::unavailable);
        boost::system::error_code error;
        socket.emplace(owner.executor());
        static_cast<void>(socket->assign(own, error));
        if (error) return LETHE_ERR(errc::unavailable);
        return {};
    }
    task<> wait(descriptor::wait_type what) {
        if (stopped || owner.stopping()) co_return LETHE_ERR(errc::unavailable);
        if (timed_out) co_return LETHE_ERR(errc::timeout);
        const auto [error] = co_await socket->async_wait(what, asio::as_tuple(asio::use_awaitable));
        if (timed_out) co_return LETHE_ERR(errc::timeout);
        if (error || stopped) co_return LETHE_ERR(errc::unavailable);
        co_return result<>{};
    }

    task<> connect(const settings& to, const endpoint& server, std::string& why);
    task<rows> query(const std::string& sql, failure& why);
    void by(steady_time deadline) {
        timed_out = false;
        if (deadline != steady_time::max())
            set(owner.timers(), deadline);
        else
            clear();
    }

    net::worker& owner;
    std::unique_ptr<PGconn, finish> pg;
    std::optional<descriptor> socket;
    bool timed_out = false;
    bool stopped = false;
    bool ended = false;  // the last word of next() was the end of a statement
};

task<> connection::impl::connect(const settings& to, const endpoint& server, std::string& why) {
    std::vector<const char*> names;
    std::vector<const char*> values;
    std::vector<std::string> kept;  // terminated, which a secret's view need not be
    kept.reserve(to.parameters.size());
    const auto add = [&](const char* name, const std::string& value) {
        if (value.empty()) return;
        names.push_back(name);
        values.push_back(value.c_str());
    };
    for (const auto& [name, value] : to.parameters)
        add(name.c_str(), kept.emplace_back(value.reveal()));
    add("host", server.host);
    add("hostaddr", server.address);
    add("port", server.port);
    static const std::string application = "lethe";
    add("fallback_application_name", application);
    names.push_back(nullptr);
    values.push_back(nullptr);
    pg.reset(PQconnectStartParams(names.data(), values.data(), 0));
    for (std::string& one : kept) std::ranges::fill(one, '\0');
    if (pg == nullptr) co_return LETHE_ERR(errc::unavailable);
    PQsetNoticeProcessor(pg.get(), [](void*, const char*) {}, nullptr);
    PostgresPollingStatusType state = PGRES_POLLING_WRITING;
    while (PQstatus(pg.get()) != CONNECTION_BAD && state != PGRES_POLLING_FAILED) {
        if (state == PGRES_POLLING_OK) {
            const result<> watched = watch();
            co_return watched;
        }
        result<> waited = watch();
        if (waited.has_value())
            waited = co_await wait(state == PGRES_POLLING_READING ? descriptor::wait_read
                                                                  : descriptor::wait_write);
        if (waited.has_error()) {
            why = "it does not answer in time";
            co_return waited;
        }
        state = PQconnectPoll(pg.get());
    }
    why = first_line(PQerrorMessage(pg.get()));
    co_return LETHE_ERR(errc::unavailable);
}

task<rows> connection::impl::query(const std::string& sql, failure& why) {
    why = {};
    const auto lost = [&] {
        why = {.sqlstate = {}, .message = first_line(PQerrorMessage(pg.get())), .fatal = true};
        return LETHE_ERR(errc::unavailable);
    };
    if (PQsendQuery(pg.get(), sql.c_str()) == 0) co_return lost();
    while (true) {
        const int rest = PQflush(pg.get());
        if (rest < 0) co_return lost();
        if (rest == 0) break;
        const result<> waited = co_await wait(descriptor::wait_write);
        if (waited.has_error()) co_return waited.error();
    }
    rows last;
    bool refused = false;
    while (true) {
        while (PQisBusy(pg.get()) != 0) {
            const result<> waited = co_await wait(descriptor::wait_read);
            if (waited.has_error()) co_return waited.error();
            if (PQconsumeInput(pg.get()) == 0) co_return lost();
        }
        std::unique_ptr<PGresult, clear_result> one(PQgetResult(pg.get()));
        if (one == nullptr) break;
        const ExecStatusType status = PQresultStatus(one.get());
        if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
            last = rows(one.release());
        } else if (!refused) {
            why = failure_of(one.get(), pg.get());
            refused = true;
        }
    }
    if (refused) co_return LETHE_ERR(errc::unavailable);
    co_return last;
}

connection::connection(std::unique_ptr<impl> made) noexcept : impl_(std::move(made)) {}
connection::~connection() = default;

task<std::unique_ptr<connection>> connection::open(net::worker& on, const settings& to,
                                                   endpoint server, steady_time deadline,
                                                   std::string& why) {
    std::vector<std::string> addresses = {server.address};
    // libpq would block while it looks the name up.
    if (server.address.empty() && !server.host.empty() && !server.host.starts_with('/') &&
        !server.host.starts_with('@')) {
        result<std::vector<std::string>> found = co_await net::look_up(on, server.host, deadline);
        if (found.has_error()) {
            why = "its name does not resolve";
            co_return LETHE_ERR(errc::unavailable);
        }
        addresses = *std::move(found);
    }
    error_code last = LETHE_ERR(errc::unavailable);
    for (const std::string& address : addresses) {
        auto made = std::make_unique<impl>(on);
        made->by(deadline);
        server.address = address;
        const result<> connected = co_await made->connect(to, server, why);
        made->clear();
        if (connected.has_value()) {
            if (PQsetnonblocking(made->pg.get(), 1) != 0) co_return LETHE_ERR(errc::unavailable);
            co_return std::unique_ptr<connection>(new connection(std::move(made)));
        }
        last = connected.error();
        if (on.stopping() || last == condition::timeout) break;
    }
    co_return last;
}

task<rows> connection::query(std::string sql, steady_time deadline, failure& why) {
    impl_->by(deadline);
    result<rows> got = co_await impl_->query(sql, why);
    impl_->clear();
    co_return got;
}

int connection::server_version() const noexcept {
    return PQserverVersion(impl_->pg.get());
}
int connection::server_process() const noexcept {
    return PQbackendPID(impl_->pg.get());
}
std::string connection::server_version_text() const {
    const char* text = PQparameterStatus(impl_->pg.get(), "server_version");
    const std::string_view all = text == nullptr ? "" : text;
    return std::string(all.substr(0, all.find(' ')));
}

task<> connection::become_pipeline(std::vector<std::pair<const char*, std::string>> statements,
                                   steady_time deadline, failure& why) {
    PGconn* const pg = impl_->pg.get();
    impl_->by(deadline);
    if (PQenterPipelineMode(pg) == 0) co_return LETHE_ERR(errc::unavailable);
    for (const auto& [name, sql] : statements)
        if (PQsendPrepare(pg, name, sql.c_str(), 0, nullptr) == 0)
            co_return LETHE_ERR(errc::unavailable);
    if (PQpipelineSync(pg) == 0) co_return LETHE_ERR(errc::unavailable);
    why = {};
    result<> done = {};
    for (bool ended = false; !ended;) {
        const result<sent> left = flush();
        if (left.has_error()) co_return left.error();
        const result<> waited = co_await impl_->wait(*left == sent::all ? descriptor::wait_read
                                                                        : descriptor::wait_write);
        if (waited.has_error()) co_return waited.error();
        const result<> got = receive();
        rows ignored;
        for (news one = next(ignored, why); one != news::nothing; one = next(ignored, why)) {
            ended = ended || one == news::sync;
            if (one == news::failed) done = LETHE_ERR(errc::unavailable);
            if (ended || why.fatal) break;
        }
        if (got.has_error()) co_return got.error();
    }
    impl_->clear();
    co_return done;
}

result<> connection::send(const char* prepared, std::span<const std::string_view> arguments) {
    constexpr std::size_t arguments_max = 8;
    LETHE_ASSERT(arguments.size() <= arguments_max);
    std::array<const char*, arguments_max> values{};
    std::array<int, arguments_max> sizes{};
    std::array<int, arguments_max> formats{};
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        // A null pointer would be NULL.
        values[i] = arguments[i].data() == nullptr ? "" : arguments[i].data();
        sizes[i] = static_cast<int>(arguments[i].size());
        formats[i] = 1;
    }
    if (PQsendQueryPrepared(impl_->pg.get(), prepared, static_cast<int>(arguments.size()),
                            values.data(), sizes.data(), formats.data(), 1) == 0)
        return LETHE_ERR(errc::unavailable);
    return {};
}

result<> connection::sync() {
    if (PQpipelineSync(impl_->pg.get()) == 0) return LETHE_ERR(errc::unavailable);
    return {};
}

result<connection::sent> connection::flush() {
    const int rest = PQflush(impl_->pg.get());
    if (rest < 0 || PQstatus(impl_->pg.get()) == CONNECTION_BAD)
        return LETHE_ERR(errc::unavailable);
    return rest == 0 ? sent::all : sent::part;
}

task<> connection::writable() {
    const result<> waited = co_await impl_->wait(descriptor::wait_write);
    co_return waited;
}
task<> connection::readable() {
    const result<> waited = co_await impl_->wait(descriptor::wait_read);
    co_return waited;
}

result<> connection::receive() {
    if (PQconsumeInput(impl_->pg.get()) == 0 || PQstatus(impl_->pg.get()) == CONNECTION_BAD)
        return LETHE_ERR(errc::unavailable);
    return {};
}

connection::news connection::next(rows& out, failure& why) {
    PGconn* const pg = impl_->pg.get();
    // PQgetResult would block.
    if (PQisBusy(pg) != 0) return news::nothing;
    std::unique_ptr<PGresult, clear_result> one(PQgetResult(pg));
    if (one == nullptr) {
        // The end of a statement; a second one is the end of all that a lost connection brings,
        // which libpq repeats for ever.
        const bool over = std::exchange(impl_->ended, true) && PQstatus(pg) == CONNECTION_BAD;
        if (over) why = {};
        return over ? news::failed : news::statement;
    }
    impl_->ended = false;
    switch (PQresultStatus(one.get())) {
        case PGRES_PIPELINE_SYNC: return news::sync;
        case PGRES_PIPELINE_ABORTED: return news::skipped;
        case PGRES_TUPLES_OK:
        case PGRES_COMMAND_OK: out = rows(one.release()); return news::rows;
        default: why = failure_of(one.get(), pg); return news::failed;
    }
}

bool connection::over_tls() const noexcept {
    return PQsslInUse(impl_->pg.get()) != 0;
}

void connection::cancel() noexcept {
    impl_->cancel();
}

}  // namespace lethe::store::postgres
