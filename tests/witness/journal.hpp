// What the witnesses write down: which requests reached a service, and which took effect. One file
// for all replicas; a line is written at once and whole, so a killed process leaves none torn.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace lethe::witness {

enum class event : std::uint8_t {
    forward,  // a request arrived
    effect,   // it did its work
    refused,  // its attempt was lower than one seen before
    barred,   // the service said that nothing up to this attempt was done, or ever will be
};

struct entry {
    event what = event::forward;
    std::string rule;  // what the route does about unknown outcomes
    std::string user;
    std::string key;
    std::uint64_t attempt = 0;
    std::string effect;  // "-" for none
};

// nullopt: that is no line of a journal.
[[nodiscard]] std::optional<entry> parse_entry(const std::string& line);
[[nodiscard]] std::string to_line(const entry& one);
// Throws std::runtime_error when a line cannot be read.
[[nodiscard]] std::vector<entry> read_journal(const std::filesystem::path& file);

// What is known about one user's key.
struct key_past {
    std::uint64_t highest = 0;  // attempt that arrived
    std::uint64_t barred = 0;   // attempts up to here may do nothing any more
    std::string effect;         // "" while there is none
};

// Held while one replica looks and decides; the others wait. One thread.
class journal {
 public:
    // Throws std::runtime_error.
    explicit journal(const std::filesystem::path& file);
    ~journal();
    journal(const journal&) = delete;
    journal& operator=(const journal&) = delete;

    // Has read what all processes wrote.
    void lock();
    void unlock() noexcept;
    [[nodiscard]] const key_past& past_of(const std::string& user, const std::string& key);
    void write(const entry& one);

 private:
    void note(const entry& one);

    int descriptor_ = -1;
    std::uint64_t read_ = 0;  // bytes
    std::string rest_;
    std::map<std::pair<std::string, std::string>, key_past> pasts_;
};

}  // namespace lethe::witness
