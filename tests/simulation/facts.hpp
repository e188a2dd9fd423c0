// What is known from above about requests and what became of them; the verdict of a run.
#pragma once

#include "simulation/schedule.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lethe::simulation {

// The first promise that was broken.
struct violation {
    std::string invariant;
    std::string what;
};

class verdict {
 public:
    explicit verdict(schedule& time) : time_(time) {}
    void broken(std::string_view invariant, const std::string& what) {
        if (first_) return;
        time_.note("violation", {}, std::string(invariant) + ": " + what);
        first_ = violation{std::string(invariant), what};
    }
    [[nodiscard]] const std::optional<violation>& first() const noexcept { return first_; }

 private:
    schedule& time_;
    std::optional<violation> first_;
};

// What a client wants.
enum class deed : std::uint8_t { read, order, add, step, replace, login, rotate, logout };

[[nodiscard]] constexpr bool marks_cart(deed what) noexcept {
    return what == deed::add || what == deed::login || what == deed::rotate;
}
[[nodiscard]] constexpr bool marks_wizard(deed what) noexcept {
    return what == deed::step || what == deed::replace;
}

// A client's wish; its retries are deliveries of the same request.
struct request_facts {
    std::uint64_t number = 0;
    unsigned client = 0;
    deed what = deed::read;
    std::string principal;  // "" for an anonymous client
    std::string key;        // "" for none
};

struct delivery {
    std::uint64_t number = 0;
    std::uint64_t name = 0;  // as number, but does not depend on other deliveries
    const request_facts* request = nullptr;
    unsigned gateway = 0;
    std::string cookie;  // the session's, as shown; "" for none
    moment began{0};
    unsigned pauses = 0;               // of its gateway, before it came there
    std::vector<std::uint64_t> given;  // executions that the service answered it with
    bool reached = false;              // the gateway began to handle it
    bool over = false;                 // for its client
};

// One time that the service did something, and its answer.
struct execution {
    std::uint64_t number = 0;
    std::uint64_t delivery = 0;
    const request_facts* request = nullptr;
    std::string pseudonym;  // of the session that the service saw; "" for none
    std::string operation;  // x.operation_id; "" for a request without a key
    std::string version;    // of the session that the service saw
    std::uint64_t attempt = 0;
    int status = 0;
    std::vector<std::pair<std::string, std::string>> header;
    std::string body;
    bool changes_session = false;
    bool keyed = false;
};

}  // namespace lethe::simulation
