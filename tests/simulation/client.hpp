// Those who ask: each client has a cookie jar and up to two tabs, which send one request after
// another, repeat what failed, and sometimes send a request twice.
#pragma once

#include "simulation/gateway.hpp"

#include <deque>
#include <string>
#include <vector>

namespace lethe::simulation {

// What clients need to know of the rest.
struct client_world {
    const scenario& about;
    schedule& time;
    faults& weather;
    verdict& judge;
    std::vector<host*> gateways;
    std::uint64_t seed = 0;
    std::deque<request_facts> requests;  // addresses stay
    std::deque<delivery> deliveries;     // number n at n - 1
};

class client {
 public:
    // Begins so many requests.
    client(client_world& in, unsigned index, unsigned requests);

    void start();
    [[nodiscard]] bool done() const noexcept;
    // What a gateway sends; lost on the way, perhaps.
    void answer(delivery& what, reply got);
    // The gateway died: its connections are reset.
    void gateway_died(unsigned gateway);
    // Once nothing fails any more: looks at the session, and repeats its last keyed requests.
    void look_once_more();
    [[nodiscard]] unsigned index() const noexcept { return index_; }

 private:
    struct tab {
        dice random{0};  // for its requests, made anew for each
        std::uint64_t seed = 0;
        unsigned left = 0;  // requests to begin
        unsigned begun = 0;
        const request_facts* request = nullptr;
        unsigned attempts = 0;
        unsigned attempts_max = 0;
        std::uint64_t round = 0;  // of waiting: what belongs to an earlier one is late
        std::vector<delivery*> open;
        bool done = false;
    };

    void next(tab& in);
    void begin(tab& in, const request_facts& what, unsigned attempts_max);
    void check_last(const request_facts& what, const reply& got);
    void send(tab& in);
    void deliver(tab& in, unsigned gateway, std::uint64_t name);
    void hear(delivery& what, const reply& got);
    void time_out(tab& in, std::uint64_t round);
    void decide(tab& in, const reply& got);
    [[nodiscard]] deed draw_deed(dice& d) const;
    [[nodiscard]] std::string draw_key(tab& in);

    client_world& world_;
    unsigned index_;
    dice dice_;
    std::string principal_;
    std::string jar_;
    std::vector<tab> tabs_;
    std::vector<const request_facts*> keyed_;  // what it sent with a key
    bool last_look_ = false;
    std::vector<const request_facts*> last_;  // what it has still to send then
};

}  // namespace lethe::simulation
