// A customer of the fault test: behaves as a careful client should, and remembers what it was told.
#pragma once

#include "support/client.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace lethe::faults {

// What a customer knows in the end about something it asked for.
enum class verdict {
    acknowledged,  // a 2xx answer
    unknown,       // lethe says that nobody knows
    given_up,      // no final answer in time: anything may be
    refused,       // a 4xx or 5xx that is final: not done
};

struct asked_item {
    std::string sku;
    bool keyed = false;
    verdict told = verdict::given_up;
};

struct asked_order {
    std::string reference;
    verdict told = verdict::given_up;
    std::string answer;  // of an acknowledged one
};

struct counts {
    std::size_t requests = 0;
    std::size_t retries = 0;
    std::size_t reads_refused = 0;  // a read that came to no 200, however often it was tried
    std::size_t replays = 0;
    std::size_t replays_wrong = 0;  // another answer than the first time
    std::size_t unexpected = 0;     // an answer that no fault explains
    std::string first_unexpected;

    void add(const counts& other);
};

struct record {
    std::string user;
    std::string token;
    std::map<std::string, std::string> cookies;
    std::vector<asked_item> items;
    std::vector<asked_order> orders;
};

struct surroundings {
    std::vector<std::uint16_t> gateways;  // one is taken at random for each try
    const std::atomic<bool>& stop;
};

// One thread. Either a collector, which fills a cart, or a buyer, which orders again and again.
class customer {
 public:
    customer(surroundings around, std::string user, std::string token, std::uint64_t seed);

    // Until it has what it wants or `around.stop`; what is under way then is followed to its end.
    void collect(std::size_t first_print);
    void buy(std::size_t first_print);

    [[nodiscard]] const record& seen() const noexcept { return record_; }
    [[nodiscard]] const counts& counted() const noexcept { return counts_; }

 private:
    struct outcome {
        verdict told = verdict::given_up;
        test::http_answer last;
    };

    // The same request again and again, until its outcome is final or nobody would wait any longer.
    outcome insist(const test::http_request& what);
    test::http_answer send_once(const test::http_request& what);
    // True when `answer` ends the matter, with what it says.
    bool is_final(const test::http_answer& answer, verdict& told);
    void note_unexpected(const test::http_request& what, const test::http_answer& answer);
    bool add_item(std::size_t print, bool keyed);
    void order();
    void ask_again(const test::http_request& what, const test::http_answer& first);
    void look_at_cart();
    void pause(std::chrono::milliseconds at_most);
    std::size_t below(std::size_t bound);
    test::http_request request_of(std::string target, std::string body, const std::string& key);

    surroundings around_;
    record record_;
    counts counts_;
    std::mt19937_64 random_;
    test::client client_;
    std::size_t keys_made_ = 0;
};

}  // namespace lethe::faults
