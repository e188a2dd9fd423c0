// The examples, run as their comments say: "GET /cart -> 200 {...}" is asked and compared.
#include "gateway/running_gateway.hpp"
#include "support/servers.hpp"
#include "support/source_tree.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <regex>
#include <sstream>

namespace lethe::test {
namespace {

using namespace std::chrono_literals;

std::string text_of(const std::string& example) {
    std::ifstream in(source_tree() / "examples" / example, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

struct exchange_told {
    std::string line;
    std::string method;
    std::string target;
    std::string key;  // "" for none
    int status = 0;
    std::string body;  // "" when it is not told
};

std::vector<exchange_told> told_by(const std::string& example) {
    static const std::regex form(
        R"(//     (GET|POST|DELETE) (\S+)(?: \[(\S+)\])? -> (\d{3})(?: (.+))?)");
    std::vector<exchange_told> out;
    std::istringstream lines(text_of(example + ".cpp"));
    for (std::string line; std::getline(lines, line);) {
        std::smatch parts;
        if (std::regex_match(line, parts, form))
            out.push_back({line, parts[1], parts[2], parts[3], std::stoi(parts[4]), parts[5]});
    }
    return out;
}

void replace(std::string& in, const std::string& what, const std::string& by) {
    const std::size_t at = in.find(what);
    ASSERT_NE(at, std::string::npos) << what;
    in.replace(at, what.size(), by);
}

class Example : public testing::Test {
 protected:
    void start(const std::string& name, const std::string& database = {}) {
        const std::string program = std::string(LETHE_EXAMPLES) + "/example_" + name;
        std::vector<std::string> command = {program, std::to_string(port_)};
        if (!database.empty()) command.push_back(database);
        process_.emplace(process_options{.command = command, .output = folder_.path() / "log"});
        const auto answers = [&] {
            client probe(port_, 2s);
            return probe.get("/").status == 404;
        };
        ASSERT_TRUE(wait_for(answers, 20s)) << program;
    }
    void start_gateway() {
        // The tests' gateway says itself where it listens.
        std::string rest = text_of("lethe.yaml");
        replace(rest, "listen: [{address: \"127.0.0.1:8080\"}]\n", "");
        replace(rest, "sqlite:examples.db", "sqlite:${DIR}/examples.db");
        replace(rest, "127.0.0.1:9001", "127.0.0.1:" + std::to_string(port_));
        gateway_.emplace(rest);
        ASSERT_TRUE(gateway_->start());
    }
    void ask_as_told(const std::string& name, std::uint16_t port) {
        const std::vector<exchange_told> told = told_by(name);
        EXPECT_GE(told.size(), 5U);
        client browser(port);
        for (const exchange_told& one : told) {
            field_list fields;
            if (!one.key.empty()) fields.emplace_back("Idempotency-Key", one.key);
            const http_answer got =
                browser.send({.method = one.method, .target = one.target, .fields = fields});
            EXPECT_EQ(got.status, one.status) << one.line << "\n" << got.body;
            if (!one.body.empty()) EXPECT_EQ(got.body, one.body + "\n") << one.line;
        }
    }
    [[nodiscard]] std::string sqlite_url() const {
        return "sqlite:" + (folder_.path() / "orders.db").string();
    }

    temporary_folder folder_{"lethe-example"};
    std::uint16_t port_ = free_ports(1)[0];
    std::optional<process> process_;
    std::optional<running_gateway> gateway_;
};

TEST_F(Example, SessionCart) {
    start("session_cart");
    start_gateway();
    ask_as_told("session_cart", gateway_->port);
}

TEST_F(Example, Commutative) {
    start("commutative");
    start_gateway();
    ask_as_told("commutative", gateway_->port);
}

TEST_F(Example, Login) {
    start("login");
    start_gateway();
    ask_as_told("login", gateway_->port);
}

TEST_F(Example, IdempotentOrderOnSqlite) {
    start("idempotent_order", sqlite_url());
    ask_as_told("idempotent_order", port_);
}

TEST_F(Example, IdempotentOrderBehindLethe) {
    start("idempotent_order", sqlite_url());
    start_gateway();
    ask_as_told("idempotent_order", gateway_->port);
}

TEST_F(Example, IdempotentOrderOnPostgres) {
    const postgres_server server;
    start("idempotent_order", server.url());
    ask_as_told("idempotent_order", port_);
}

TEST(Examples, AreUnderSixtyLinesEach) {
    for (const char* name : {"session_cart", "commutative", "login", "idempotent_order"}) {
        const std::string text = text_of(std::string(name) + ".cpp");
        EXPECT_LT(std::ranges::count(text, '\n'), 60) << name;
    }
}

}  // namespace
}  // namespace lethe::test
