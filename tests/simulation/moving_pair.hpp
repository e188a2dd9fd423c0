// One store as the engines see it: a server, and while records move the one they come from.
#pragma once

#include "simulation/facts.hpp"
#include "simulation/store_server.hpp"

#include <memory>
#include <optional>
#include <string>

namespace lethe::simulation {

// Tells who looks on what becomes of the records that callers see, wherever they are: marks and
// copies are not seen, but checked.
class moving_pair {
 public:
    moving_pair(schedule& time, verdict& verdict, onlooker& seen_by, unsigned index);

    [[nodiscard]] store_server& primary() noexcept { return *primary_; }
    // Null before the first move.
    [[nodiscard]] store_server* previous() noexcept { return previous_.get(); }
    // What callers see.
    [[nodiscard]] std::optional<store::record> find(const std::string& key) const;
    // Records move to another server: a new one, or back to the one they came from. `cleanly`:
    // those who used it are gone.
    void exchange(bool cleanly);
    // Records that were moved.
    [[nodiscard]] std::uint64_t moved() const noexcept { return moved_; }

 private:
    class watch final : public onlooker {
     public:
        watch(moving_pair& of, unsigned server) : of_(of), server_(server) {}
        void wrote(const std::string& key, const store::record* before,
                   const store::record& after) override {
            of_.wrote(server_, key, before, after);
        }
        void erased(const std::string& key) override { of_.seen_by_.erased(key); }
        void forgot(const std::string& key) override { of_.seen_by_.forgot(key); }

     private:
        moving_pair& of_;
        unsigned server_;
    };

    void wrote(unsigned server, const std::string& key, const store::record* before,
               const store::record& after);
    void copied(const std::string& key, const store::record& copy);

    schedule& time_;
    verdict& verdict_;
    onlooker& seen_by_;
    const unsigned index_;
    watch first_{*this, 0};
    watch second_{*this, 1};
    unsigned primary_is_ = 0;
    std::unique_ptr<store_server> primary_;
    std::unique_ptr<store_server> previous_;
    std::uint64_t moved_ = 0;
};

}  // namespace lethe::simulation
