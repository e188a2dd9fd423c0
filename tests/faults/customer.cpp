#include "faults/customer.hpp"

#include "support/shop_stage.hpp"

#include <algorithm>
#include <thread>
#include <utility>

namespace lethe::faults {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using test::http_answer;
using test::http_failure;
using test::http_request;

constexpr seconds answer_time_max{10};
// Longer than a claim's lease, after which lethe says that the outcome is unknown.
constexpr seconds patience{30};
constexpr milliseconds retry_pause_max{150};
constexpr std::size_t items_wanted = 14;
constexpr std::size_t orders_wanted = 10;

bool is_about(const http_answer& answer, const char* problem) {
    return answer.body.find(std::string("urn:lethe:problem:") + problem) != std::string::npos;
}

bool has_key(const http_request& what) {
    return std::ranges::any_of(what.fields,
                               [](const auto& f) { return f.first == "Idempotency-Key"; });
}

}  // namespace

void counts::add(const counts& other) {
    requests += other.requests;
    retries += other.retries;
    reads_refused += other.reads_refused;
    replays += other.replays;
    replays_wrong += other.replays_wrong;
    unexpected += other.unexpected;
    if (first_unexpected.empty()) first_unexpected = other.first_unexpected;
}

customer::customer(surroundings around, std::string user, std::string token, std::uint64_t seed)
    : around_(std::move(around)),
      random_(seed),
      client_(around_.gateways.front(), answer_time_max) {
    record_.user = std::move(user);
    record_.token = std::move(token);
}

std::size_t customer::below(std::size_t bound) {
    return static_cast<std::size_t>(random_() % bound);
}

void customer::pause(milliseconds at_most) {
    const auto longest = static_cast<std::size_t>(at_most.count());
    std::this_thread::sleep_for(milliseconds(1 + below(longest)));
}

http_request customer::request_of(std::string target, std::string body, const std::string& key) {
    http_request made{.method = body.empty() ? "GET" : "POST",
                      .target = std::move(target),
                      .fields = test::bearer(record_.token),
                      .body = std::move(body)};
    if (made.method == "POST") made.fields.emplace_back("Content-Type", "application/json");
    if (!key.empty()) made.fields.emplace_back("Idempotency-Key", key);
    return made;
}

http_answer customer::send_once(const http_request& what) {
    // Most tries go where the last one went; a failed one goes anywhere.
    if (below(8) == 0) client_.use_port(around_.gateways[below(around_.gateways.size())]);
    ++counts_.requests;
    http_answer answer = client_.send(what);
    if (!answer.complete()) client_.use_port(around_.gateways[below(around_.gateways.size())]);
    record_.cookies = client_.cookies();
    return answer;
}

void customer::note_unexpected(const http_request& what, const http_answer& answer) {
    ++counts_.unexpected;
    if (counts_.first_unexpected.empty())
        counts_.first_unexpected = what.method + ' ' + what.target + ": " +
                                   std::to_string(answer.status) + ' ' + answer.body;
}

bool customer::is_final(const http_answer& answer, verdict& told) {
    if (!answer.complete()) return false;
    if (answer.status / 100 == 2) {
        told = verdict::acknowledged;
        return true;
    }
    // With a key, asking again is safe, and tells what became of it. Without one these mean "not
    // done, or nobody knows"; the article may then come into the cart twice, as everywhere.
    if (answer.status == 502 || answer.status == 503 || answer.status == 504) return false;
    if (answer.status == 409 && is_about(answer, "outcome-unknown")) {
        told = verdict::unknown;
        return true;
    }
    if (answer.status == 409 && is_about(answer, "request-in-progress")) return false;
    told = verdict::refused;
    return true;
}

customer::outcome customer::insist(const http_request& what) {
    outcome out;
    const auto until = steady_clock::now() + patience;
    for (int tries = 0; steady_clock::now() < until; ++tries) {
        if (tries > 0) {
            ++counts_.retries;
            pause(retry_pause_max);
        }
        out.last = send_once(what);
        if (!is_final(out.last, out.told)) continue;
        if (out.told == verdict::refused) note_unexpected(what, out.last);
        if (out.last.field("Idempotent-Replayed")) ++counts_.replays;
        break;
    }
    return out;
}

// An acknowledged keyed request, asked once more, must give the first answer again; where lethe
// said with it that the outcome was not recorded, it may also be what nobody knows.
void customer::ask_again(const http_request& what, const http_answer& first) {
    const outcome again = insist(what);
    const bool same = again.told == verdict::acknowledged && again.last.status == first.status &&
                      again.last.body == first.body && again.last.field("Idempotent-Replayed");
    const bool unrecorded = first.field_or_empty("Lethe-Idempotency") == "unrecorded";
    const bool may_be = unrecorded && again.told == verdict::unknown;
    if (!same && !may_be && again.told != verdict::given_up) ++counts_.replays_wrong;
}

bool customer::add_item(std::size_t print, bool keyed) {
    asked_item item{"print-" + std::to_string(print), keyed, verdict::given_up};
    const std::string key = keyed ? record_.user + "-item-" + std::to_string(++keys_made_) : "";
    const http_request what = request_of("/cart/items?delay=" + std::to_string(below(30)),
                                         R"({"sku":")" + item.sku + R"(","qty":1})", key);
    const outcome got = insist(what);
    item.told = got.told;
    record_.items.push_back(item);
    if (got.told == verdict::acknowledged && has_key(what) && below(4) == 0)
        ask_again(what, got.last);
    return got.told == verdict::acknowledged;
}

void customer::order() {
    asked_order made{record_.user + "-order-" + std::to_string(record_.orders.size() + 1),
                     verdict::given_up,
                     {}};
    const http_request what =
        request_of("/orders?delay=" + std::to_string(below(60)),
                   R"({"reference":")" + made.reference + R"("})", "key-" + made.reference);
    const outcome got = insist(what);
    made.told = got.told;
    if (got.told == verdict::acknowledged) made.answer = got.last.body;
    record_.orders.push_back(made);
    if (got.told == verdict::acknowledged && below(3) == 0) ask_again(what, got.last);
}

void customer::look_at_cart() {
    const http_request what = request_of("/cart", "", "");
    const outcome got = insist(what);
    if (got.told != verdict::acknowledged) ++counts_.reads_refused;
}

void customer::collect(std::size_t first_print) {
    for (std::size_t i = 0; i < items_wanted && !around_.stop; ++i) {
        add_item(first_print + i, below(2) == 0);
        if (below(3) == 0) look_at_cart();
    }
}

void customer::buy(std::size_t first_print) {
    for (std::size_t i = 0; i < orders_wanted && !around_.stop; ++i)
        if (add_item(first_print + i, true)) order();
}

}  // namespace lethe::faults
