#include "witness/caller.hpp"

#include "support/shop_stage.hpp"

#include <cstdlib>
#include <thread>
#include <utility>

namespace lethe::witness {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using test::http_answer;
using test::http_request;

constexpr milliseconds retry_pause_max{150};

bool is_about(const http_answer& answer, const char* problem) {
    return answer.body.find(std::string("urn:lethe:problem:") + problem) != std::string::npos;
}

}  // namespace

std::string member_of(const std::string& json, const std::string& name) {
    const std::string start = '"' + name + "\":";
    const std::size_t at = json.find(start);
    if (at == std::string::npos) return {};
    const std::size_t begin = at + start.size();
    if (json.compare(begin, 1, "\"") == 0)
        return json.substr(begin + 1, json.find('"', begin + 1) - begin - 1);
    return json.substr(begin, json.find_first_of(",}", begin) - begin);
}

std::map<std::string, long> numbers_of(const std::string& json, const std::string& name) {
    const std::string start = '"' + name + "\":{";
    const std::size_t at = json.find(start);
    std::map<std::string, long> found;
    if (at == std::string::npos) return found;
    std::size_t here = at + start.size();
    const std::size_t end = json.find('}', here);
    while (here < end) {
        const std::size_t name_end = json.find('"', here + 1);
        const std::string member = json.substr(here + 1, name_end - here - 1);
        found[member] = std::strtol(json.c_str() + name_end + 2, nullptr, 10);
        const std::size_t comma = json.find(',', name_end);
        here = comma < end ? comma + 1 : end;
    }
    return found;
}

caller::caller(std::vector<std::uint16_t> gateways, std::string token, std::uint64_t seed,
               milliseconds answer_time_max)
    : gateways_(std::move(gateways)),
      credentials_(test::bearer(token)),
      random_(seed),
      client_(gateways_.front(), answer_time_max) {}

void caller::use_gateways(std::vector<std::uint16_t> gateways) {
    gateways_ = std::move(gateways);
    client_.use_port(gateways_.front());
}

void caller::take_any_gateway() {
    client_.use_port(gateways_[below(gateways_.size())]);
}

void caller::note(asked_key& what, const http_answer& answer, moment asked) {
    told_answer one;
    one.asked = asked;
    one.told = steady_clock::now();
    one.status = answer.status;
    one.user = member_of(answer.body, "user");
    one.owner = member_of(answer.body, "owner");
    one.attempt = std::strtoull(member_of(answer.body, "attempt").c_str(), nullptr, 10);
    one.effect = member_of(answer.body, "effect");
    one.recorded = answer.field_or_empty("Lethe-Idempotency") != "unrecorded";
    what.answers.push_back(std::move(one));
}

http_answer caller::send_once(asked_key& what) {
    if (below(6) == 0) take_any_gateway();
    http_request request{.method = "POST", .target = what.target, .fields = credentials_};
    request.fields.emplace_back("Idempotency-Key", what.key);
    ++requests_;
    const moment asked = steady_clock::now();
    http_answer answer = client_.send(request);
    if (!answer.complete()) take_any_gateway();
    if (answer.complete() && answer.status / 100 == 2) note(what, answer, asked);
    return answer;
}

bool caller::is_final(asked_key& what, const http_answer& answer) {
    if (!answer.complete()) return false;
    if (answer.status / 100 == 2) {
        what.told = knowledge::acknowledged;
        return true;
    }
    // 412: the service has seen a later attempt, whose answer is the one that counts.
    if (answer.status == 412 || answer.status / 100 == 5) return false;
    if (answer.status == 409 && is_about(answer, "request-in-progress")) return false;
    if (answer.status == 409 && is_about(answer, "outcome-unknown")) {
        what.told = knowledge::unknown;
        return true;
    }
    if (++unexpected_ == 1)
        first_ = what.target + ": " + std::to_string(answer.status) + ' ' + answer.body;
    return true;
}

void caller::insist(asked_key& what, milliseconds patience) {
    const auto until = steady_clock::now() + patience;
    while (steady_clock::now() < until) {
        const http_answer answer = send_once(what);
        if (is_final(what, answer)) return;
        const std::size_t longest = static_cast<std::size_t>(retry_pause_max.count());
        std::this_thread::sleep_for(milliseconds(1 + below(longest)));
    }
}

std::optional<shown_session> caller::look(milliseconds patience) {
    const auto until = steady_clock::now() + patience;
    while (steady_clock::now() < until) {
        ++requests_;
        const http_answer answer = client_.get("/w/ledger", credentials_);
        if (answer.complete() && answer.status == 200)
            return shown_session{.name = member_of(answer.body, "session"),
                                 .owner = member_of(answer.body, "owner"),
                                 .ledger = numbers_of(answer.body, "ledger")};
        take_any_gateway();
        std::this_thread::sleep_for(milliseconds(20));
    }
    return std::nullopt;
}

}  // namespace lethe::witness
