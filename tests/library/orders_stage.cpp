#include "library/orders_stage.hpp"

#include <sqlite3.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>

namespace lethe::test {

using namespace std::chrono_literals;

orders_stage::orders_stage(const std::string& kind, std::size_t services)
    : ports_(free_ports(services)), processes_(services) {
    if (kind == "postgres") {
        postgres_ = std::make_unique<postgres_server>();
        url_ = postgres_->url();
    } else {
        url_ = "sqlite:" + (folder_.path() / "orders.db").string();
    }
    for (std::size_t i = 0; i < services; ++i) start(i);
}

void orders_stage::start(std::size_t service) {
    processes_.at(service).emplace(
        process_options{.command = {LETHE_ORDER_SERVICE, std::to_string(port(service)), url_},
                        .output = folder_.path() / "log"});
    const auto serves = [&] {
        client probe(port(service), 2s);
        return probe.get("/healthz").status == 200;
    };
    if (!wait_for(serves, 30s)) throw std::runtime_error("the service does not come up:\n" + log());
}

void orders_stage::kill_now(std::size_t service) {
    processes_.at(service)->kill_now();
}

bool orders_stage::has_died(std::size_t service) {
    return processes_.at(service)->wait(5s).has_value();
}

std::string orders_stage::log() const {
    std::ifstream in(folder_.path() / "log", std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

// Columns are parted by '|', as psql does.
std::string orders_stage::sql(const std::string& statement) const {
    if (postgres_) return postgres_->sql(statement);
    sqlite3* opened = nullptr;
    const int code = sqlite3_open(url_.substr(7).c_str(), &opened);
    const std::unique_ptr<sqlite3, decltype(&sqlite3_close)> database(opened, &sqlite3_close);
    std::string out;
    const auto add_row = [](void* to, int count, char** values, char**) {
        for (int i = 0; i < count; ++i)
            *static_cast<std::string*>(to) += std::string(i == 0 ? "" : "|") + values[i];
        *static_cast<std::string*>(to) += '\n';
        return 0;
    };
    sqlite3_busy_timeout(opened, 10'000);
    if (code != SQLITE_OK ||
        sqlite3_exec(opened, statement.c_str(), add_row, &out, nullptr) != SQLITE_OK)
        throw std::runtime_error(std::string("SQLite: ") + sqlite3_errmsg(opened));
    return out;
}

std::map<std::string, std::vector<std::string>> orders_stage::orders() const {
    std::map<std::string, std::vector<std::string>> out;
    std::istringstream lines(sql("SELECT idempotency_key, number FROM orders"));
    for (std::string line; std::getline(lines, line);) {
        const std::size_t bar = line.find('|');
        if (bar != std::string::npos) out[line.substr(0, bar)].push_back(line.substr(bar + 1));
    }
    return out;
}

orders_stage::row_counts orders_stage::count_rows() const {
    row_counts out;
    out.orders = std::stoi(sql("SELECT count(*) FROM orders"));
    out.outcomes = std::stoi(sql("SELECT count(*) FROM lethe_outcomes"));
    return out;
}

std::string uuid_of(unsigned number) {
    char digits[13];
    std::snprintf(digits, sizeof digits, "%012x", number);
    return std::string("0b8e03a2-9c1d-4e7f-8a55-") + digits;
}

}  // namespace lethe::test
