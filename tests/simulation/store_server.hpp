// A simulated store server: the contract of store.hpp over a map, with failovers and absences.
#pragma once

#include "simulation/schedule.hpp"
#include "store/store.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace lethe::simulation {

// Who looks on, at each step that changes something.
class onlooker {
 public:
    virtual ~onlooker() = default;
    // `before`: the live record it replaces.
    virtual void wrote(const std::string& key, const store::record* before,
                       const store::record& after) = 0;
    virtual void erased(const std::string& key) = 0;
    // A failover forgot the key's last writes.
    virtual void forgot(const std::string& key) = 0;
};

class store_server {
 public:
    store_server(schedule& time, onlooker& seen_by, unsigned index)
        : time_(time), onlooker_(seen_by), index_(index) {}

    // The first `count` operations, each by itself.
    std::vector<store::answer> batch(const std::vector<store::operation>& operations,
                                     std::size_t count);
    // All or nothing.
    std::vector<store::answer> transact(const std::vector<store::operation>& operations);

    [[nodiscard]] unsigned index() const noexcept { return index_; }
    [[nodiscard]] bool up() const noexcept { return up_; }
    // The live record, for who looks on.
    [[nodiscard]] std::optional<store::record> find(const std::string& key) const;
    // Also one that has expired, as long as nothing was put in its place.
    [[nodiscard]] const store::record* last(const std::string& key) const {
        const auto at = records_.find(key);
        return at == records_.end() ? nullptr : &at->second;
    }
    // Grows with each absence and failover: connections from before are cut.
    [[nodiscard]] unsigned reign() const noexcept { return reign_; }
    void leave();
    void come_back();
    // Who was connected is gone: nothing more arrives from before.
    void close_connections() noexcept { open_since_ = ++reign_; }
    [[nodiscard]] unsigned open_since() const noexcept { return open_since_; }
    // Another machine takes over; all that was written less than `lag` ago is forgotten.
    void fail_over(microseconds lag);

 private:
    struct change {
        moment at;
        std::string key;
        std::optional<store::record> before;
    };
    using seen = std::vector<std::pair<std::string, std::optional<store::record>>>;

    store::answer apply(const store::operation& one, seen& before);
    void replace(const std::string& key, std::optional<store::record> by, seen& before);
    void tell(const seen& before);

    schedule& time_;
    onlooker& onlooker_;
    unsigned index_;
    bool up_ = true;
    unsigned reign_ = 0;
    unsigned open_since_ = 0;
    std::uint64_t versions_ = 0;  // never goes back
    std::map<std::string, store::record> records_;
    std::vector<change> recent_;  // what a failover may forget, oldest first
};

}  // namespace lethe::simulation
