// A caller of the witnesses: sends the same request with the same key until it knows what became of
// it, as careful clients do, and remembers what it was told.
#pragma once

#include "support/client.hpp"
#include "witness/history.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace lethe::witness {

// What a session shows to who has its cookie.
struct shown_session {
    std::string name;  // "" for none
    std::string owner;
    std::map<std::string, long> ledger;

    [[nodiscard]] bool empty() const { return name.empty() && owner.empty() && ledger.empty(); }
};

// The text or number behind "name": in the service's flat JSON; "" when it is not there.
[[nodiscard]] std::string member_of(const std::string& json, const std::string& name);
// {"ledger":{"k1":1}} of it.
[[nodiscard]] std::map<std::string, long> numbers_of(const std::string& json,
                                                     const std::string& name);

// One connection and one jar of cookies. One thread.
class caller {
 public:
    // `gateways` are ports; each try goes to one of them.
    caller(std::vector<std::uint16_t> gateways, std::string token, std::uint64_t seed,
           std::chrono::milliseconds answer_time_max);

    // Once; the answer is noted where it is a whole 2xx one.
    test::http_answer send_once(asked_key& what);
    // Until the outcome is known or `patience` is over.
    void insist(asked_key& what, std::chrono::milliseconds patience);
    // The session of the cookies at hand; nullopt when nothing answers for so long.
    [[nodiscard]] std::optional<shown_session> look(std::chrono::milliseconds patience);

    [[nodiscard]] std::map<std::string, std::string>& cookies() { return client_.cookies(); }
    void use_gateways(std::vector<std::uint16_t> gateways);
    [[nodiscard]] std::size_t requests() const noexcept { return requests_; }
    // Answers that no fault explains, and the first of them.
    [[nodiscard]] std::size_t unexpected() const noexcept { return unexpected_; }
    [[nodiscard]] const std::string& first_unexpected() const noexcept { return first_; }
    [[nodiscard]] std::size_t below(std::size_t bound) {
        return static_cast<std::size_t>(random_() % bound);
    }

 private:
    void take_any_gateway();
    void note(asked_key& what, const test::http_answer& answer, moment asked);
    [[nodiscard]] bool is_final(asked_key& what, const test::http_answer& answer);

    std::vector<std::uint16_t> gateways_;
    test::field_list credentials_;
    std::mt19937_64 random_;
    test::client client_;
    std::size_t requests_ = 0;
    std::size_t unexpected_ = 0;
    std::string first_;
};

}  // namespace lethe::witness
