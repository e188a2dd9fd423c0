// Lethe-Signature, checked by the function that docs/sessions.md gives to services, in their
// language.
#include "upstream/signature.hpp"

#include "support/process.hpp"
#include "support/run.hpp"
#include "support/source_tree.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

namespace lethe::upstream {
namespace {

using namespace std::chrono_literals;

constexpr const char* key = "a-signing-key-that-both-sides-know";

struct Signature : ::testing::Test {
    manual_clock time;
    arena memory;
    http::exchange x{memory, time};
    signature_options options{.key_id = "k1", .key = secret(key)};

    Signature() {
        x.request.method_text = "POST";
        x.request.path = "/cart";
        x.request.query = "page=1";
        x.request.has_query = true;
        x.request.header.add("Accept", "*/*");
        x.request.header.add("X-User", "u42");
        x.request.header.add("Lethe-Session-Id", "\"p8Qx\"");
        x.request.header.add("Lethe-Session-Version", "17");
        x.request.header.add("Lethe-Session", ":eyJjYXJ0Ijp7fX0=:");
        x.attempt = 2;
    }
    std::string signature() { return sign(x, options, {"X-User", "X-Roles"}, time.system_now()); }
};

// The example in the docs: what a service must come to.
constexpr const char* example =
    ":5pod0Y7PS1Drj3+xBAkqrOMX2kWrcP7yXJRE+0e4U5c=:;keyid=\"k1\";created=1700000000;fields=\"lethe-"
    "attempt lethe-session "
    "lethe-session-id lethe-session-version x-user\"";

std::string docs() {
    std::ifstream in(test::source_tree() / "docs/sessions.md");
    return {std::istreambuf_iterator<char>(in), {}};
}

// What stands between ```js and ``` under the heading.
std::string code_of_docs() {
    const std::string text = docs();
    const std::size_t from = text.find("```js\n", text.find("### Signed fields"));
    const std::size_t end = text.find("```", from + 6);
    return from == std::string::npos ? "" : text.substr(from + 6, end - from - 6);
}

// Runs the docs' verify() on the fields given as JavaScript.
int verified(const std::string& signature, const std::string& fields, const std::string& target,
             std::int64_t now, const std::string& known = key) {
    test::temporary_folder folder("lethe-signature");
    const std::filesystem::path script = folder.path() / "verify.js";
    std::ofstream(script) << code_of_docs() << "\nconst fields = " << fields
                          << ";\nfields['lethe-signature'] = " << "`" << signature << "`;\n"
                          << "process.exit(verify('POST', '" << target << "', fields, {k1: '"
                          << known << "'}, " << now << ") ? 0 : 3);\n";
    const test::finished_command done =
        test::run_command({"/usr/bin/env", "node", script.string()}, 20s);
    if (done.exit != 0 && done.exit != 3) ADD_FAILURE() << done.output;
    return done.exit;
}

constexpr const char* fields =
    "{'lethe-session-id': '\"p8Qx\"', 'lethe-session-version': '17', 'lethe-session': "
    "':eyJjYXJ0Ijp7fX0=:', 'lethe-attempt': '2', 'x-user': 'u42', 'accept': 'text/html'}";

// --- spec: "Lethe-Signature: … optional HMAC over the above"

TEST_F(Signature, IsTheOneOfTheDocs) {
    EXPECT_EQ(signature(), example);
    std::string wrapped = docs();
    std::erase_if(wrapped, [](char c) { return c == '\n' || c == ' '; });
    std::string wanted = example;
    std::erase(wanted, ' ');
    EXPECT_NE(wrapped.find(wanted), std::string::npos);
}

TEST_F(Signature, AServiceVerifiesItInItsOwnLanguage) {
    const std::string good = signature();
    EXPECT_EQ(verified(good, fields, "/cart?page=1", 1'700'000'030), 0);
    EXPECT_EQ(verified(good, fields, "/cart?page=1", 1'700'000'100), 3) << "too old";
    EXPECT_EQ(verified(good, fields, "/cart?page=2", 1'700'000'030), 3) << "another target";
    EXPECT_EQ(verified(good, fields, "/cart?page=1", 1'700'000'030, "another key"), 3);
    std::string forged = fields;
    forged.replace(forged.find("u42"), 3, "u43");
    EXPECT_EQ(verified(good, forged, "/cart?page=1", 1'700'000'030), 3) << "another user";
    std::string unsigned_url = fields;
    unsigned_url.insert(1, "'lethe-session-url': '\"http://evil/\"', ");
    EXPECT_EQ(verified(good, unsigned_url, "/cart?page=1", 1'700'000'030), 3)
        << "a field that is not signed";
}

TEST_F(Signature, CoversAllThatTheGatewaySaysAndNothingElse) {
    x.request.header.add("Lethe-Session-Url", "\"http://127.0.0.1:3500/lethe/v1/session/hX\"");
    const std::string with_url = signature();
    EXPECT_NE(with_url.find(" lethe-session-url "), std::string::npos);
    x.request.header.set("Accept", "text/html");
    EXPECT_EQ(signature(), with_url);
    x.request.header.set("Lethe-Session-Url", "\"http://127.0.0.1:3500/lethe/v1/session/hY\"");
    EXPECT_NE(signature(), with_url);
    options.key_id = "k2";
    EXPECT_NE(signature().find("keyid=\"k2\""), std::string::npos);
}

class end_of_way final : public http::handler {
 public:
    std::string seen;
    task<> handle(http::exchange& x) override {
        seen = x.request.header.combined("Lethe-Signature").value_or("");
        co_return result<>{};
    }
};

TEST_F(Signature, IsSetOnWhatGoesToTheService) {
    x.request.header.add("Lethe-Signature", "forged");
    end_of_way end;
    std::vector<std::unique_ptr<http::filter>> filters;
    filters.push_back(std::make_unique<signer>(options, std::vector<std::string>{"X-User"}));
    http::chain way(std::move(filters), end);
    EXPECT_TRUE(test::run(way.handle(x)).has_value());
    EXPECT_EQ(end.seen, example);
}

}  // namespace
}  // namespace lethe::upstream
