#include "rows/rows.hpp"

#include <array>
#include <fstream>
#include <map>
#include <random>
#include <utility>

namespace lethe::test {
namespace {

constexpr std::string_view digits64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// Its key and what it signed, for all tests of the program.
class token_maker {
 public:
    token_maker() {
        std::ofstream(key_file()) << run_command({lethe_binary(), "token", "key", "--alg", "ES256",
                                                  "--kid", "k1"},
                                                 10s)
                                         .output;
    }
    [[nodiscard]] std::string key_file() const { return (folder_.path() / "keys.json").string(); }
    // Another one each time: a refreshed token.
    [[nodiscard]] std::string sign(const std::string& who) const {
        const std::string out =
            run_command({lethe_binary(), "token", "sign", "--key", key_file(), "--iss",
                         "https://id.example", "--aud", "shop", "--sub", who, "--ttl", "1h"},
                        10s)
                .output;
        return out.substr(0, out.find('\n'));
    }

 private:
    temporary_folder folder_{"lethe-rows-keys"};
};

token_maker& tokens() {
    static token_maker made;
    return made;
}

}  // namespace

bool contains(std::string_view text, std::string_view what) {
    return text.find(what) != std::string_view::npos;
}

std::string new_key() {
    static std::mt19937_64 random{std::random_device{}()};
    std::string out = "xxxxxxxx-xxxx-4xxx-axxx-xxxxxxxxxxxx";
    for (char& c : out)
        if (c == 'x') c = "0123456789abcdef"[random() % 16];
    return out;
}

std::string slug_of(const http_answer& answer) {
    constexpr std::string_view begin = "urn:lethe:problem:";
    const std::size_t at = answer.body.find(begin);
    if (at == std::string::npos) return "";
    const std::size_t from = at + begin.size();
    return answer.body.substr(from, answer.body.find('"', from) - from);
}

bool is_replay(const http_answer& answer) {
    return answer.field_or_empty("Idempotent-Replayed") == "true";
}

std::string base64(std::string_view bytes) {
    std::string out;
    unsigned bits = 0;
    unsigned held = 0;
    for (const char c : bytes) {
        bits = bits << 8 | static_cast<unsigned char>(c);
        for (held += 8; held >= 6; held -= 6) out += digits64[bits >> (held - 6) & 63];
        bits &= 0xff;
    }
    if (held > 0) out += digits64[bits << (6 - held) & 63];
    while (out.size() % 4 != 0) out += '=';
    return out;
}

std::string from_base64_text(std::string_view text) {
    std::string out;
    unsigned bits = 0;
    unsigned held = 0;
    for (const char c : text) {
        const std::size_t value = digits64.find(c);
        if (value == std::string_view::npos) continue;
        bits = bits << 6 | static_cast<unsigned>(value);
        held += 6;
        if (held < 8) continue;
        held -= 8;
        out += static_cast<char>(bits >> held & 0xff);
        bits &= (1U << held) - 1;
    }
    return out;
}

pending_call::pending_call(std::function<http_answer()> send)
    : thread_([this, send = std::move(send)] { answer_ = send(); }) {}

pending_call::~pending_call() {
    if (thread_.joinable()) thread_.join();
}

http_answer pending_call::answer() {
    if (thread_.joinable()) thread_.join();
    return answer_;
}

rows::rows() : store_(store_called(GetParam())) {}

rows::~rows() {
    store_.come_back();
}

std::string rows::configuration(const std::string& routes, const std::string& more) const {
    const bool names_stores = contains(more, "store:");
    return (names_stores ? "" : "store: \"" + store_.url(folder_.path(), "state") + "\"\n") +
           "issuers:\n  - {name: id, issuer: \"https://id.example\", audience: [shop], "
           "algorithms: [ES256], keys: {file: \"" +
           tokens().key_file() + "\"}}\n" +
           (contains(more, "upstreams:")
                ? ""
                : "upstreams:\n  - {name: app, replicas: [\"" + service_.url() + "\"]}\n") +
           more + "routes:\n" + routes;
}

void rows::start(const std::string& routes, const std::string& more) {
    gateway_.reset();
    configuration_ = configuration(routes, more);
    gateway_ = std::make_unique<running_gateway>(configuration_);
    ASSERT_TRUE(gateway_->start());
}

std::unique_ptr<running_gateway> rows::start_another() {
    auto out = std::make_unique<running_gateway>(configuration_);
    EXPECT_TRUE(out->start());
    return out;
}

void rows::kill_and_start_again() {
    gateway_->running().kill_now();
    ASSERT_TRUE(gateway_->start());
}

std::string rows::keyed(const std::string& options, const std::string& match) {
    return "  - match: {" + match +
           "}\n    authenticate: {issuers: [id], optional: true}\n    idempotency: {" + options +
           "}\n    upstream: app\n";
}

std::string rows::with_session(const std::string& match, const std::string& session,
                               const std::string& more) {
    return "  - match: {" + match + "}\n    session: {" + session + "}\n" + more +
           "    upstream: app\n";
}

std::string rows::token_of(const std::string& who) {
    static std::map<std::string, std::string> made;
    std::string& one = made[who];
    if (one.empty()) one = tokens().sign(who);
    return one;
}

http_request rows::request_of(const call& what) {
    http_request out{.method = what.method, .target = what.target, .fields = what.fields};
    if (!what.key.empty()) out.fields.emplace_back("Idempotency-Key", what.key);
    if (!what.who.empty()) out.fields.emplace_back("Authorization", "Bearer " + token_of(what.who));
    if (!what.type.empty()) out.fields.emplace_back("Content-Type", what.type);
    out.body = what.body;
    return out;
}

http_answer rows::send(const call& what, std::uint16_t port) {
    client user(port != 0 ? port : gateway_->port, what.patience);
    return user.send(request_of(what));
}

std::unique_ptr<pending_call> rows::begin(const call& what, std::uint16_t port) {
    return std::make_unique<pending_call>(
        [request = request_of(what), patience = what.patience,
         to = port != 0 ? port : gateway_->port] { return client(to, patience).send(request); });
}

finished_command rows::lethe(std::vector<std::string> words) {
    words.insert(words.begin(), lethe_binary());
    return run_command(words, 20s);
}

std::string rows::configuration_file() const {
    return (gateway_->folder.path() / "lethe.yaml").string();
}

http_answer rows::send_while(const std::string& slug, const call& what, std::uint16_t port) {
    http_answer last;
    for (int i = 0; i < 200; ++i) {
        last = send(what, port);
        if (last.complete() && slug_of(last) != slug) return last;
        std::this_thread::sleep_for(50ms);
    }
    return last;
}

http_answer rows::admin(const std::string& method, const std::string& target) const {
    client to(gateway_->admin_port, 15s);
    return to.send(
        {.method = method,
         .target = target,
         .fields = {{"Authorization", std::string("Bearer ") + running_gateway::api_token}}});
}

#define LETHE_ON_ALL_STORES(suite)                                                          \
    INSTANTIATE_TEST_SUITE_P(Rows, suite, ::testing::Values("sqlite", "postgres", "redis"), \
                             [](const auto& info) { return info.param; })
LETHE_ON_ALL_STORES(idempotency);
LETHE_ON_ALL_STORES(sessions);
#undef LETHE_ON_ALL_STORES

}  // namespace lethe::test
