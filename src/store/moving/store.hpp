// Two stores as one, while records move.
#pragma once

#include "store/moving/mover.hpp"
#include "store/moving/moving.hpp"
#include "store/open.hpp"

#include <deque>
#include <memory>
#include <mutex>
#include <vector>

namespace lethe::store::moving {

// One per worker.
class moving_store final : public store {
 public:
    moving_store(std::unique_ptr<store> primary, std::unique_ptr<store> previous,
                 std::shared_ptr<metrics::registry> registry, const open_options& options,
                 clock& time, std::unique_ptr<random_source> random = make_secure_random());

    engine_promises promises() const noexcept override;
    task<std::vector<answer>> batch(std::vector<operation> operations,
                                    steady_time deadline) override;
    task<std::vector<answer>> transact(std::vector<operation> operations,
                                       steady_time deadline) override;
    task<subject_page> list_subject(std::string subject, std::string key_prefix, std::string after,
                                    std::size_t keys_max, steady_time deadline) override;
    task<> ping(steady_time deadline) override;
    task<scan_page> scan(std::string cursor, std::size_t keys_max, steady_time deadline) override;
    task<std::size_t> purge_expired(std::size_t records_max, steady_time deadline) override;
    task<examination> examine(steady_time deadline) override;
    task<migration> migrate(steady_time deadline) override;

 private:
    struct work;

    // Operations on different keys; the answers go to their places in `out`.
    [[nodiscard]] task<> run_wave(work& all, std::vector<std::size_t> wave, steady_time deadline);
    // Settles those of the keys that the previous store holds something of.
    [[nodiscard]] task<> settle_all(std::vector<std::string> keys, steady_time deadline);
    [[nodiscard]] task<> run_on_primary(work& all, const std::vector<std::size_t>& wave,
                                        std::vector<std::size_t>& again, steady_time deadline);
    [[nodiscard]] task<> erase_marks(std::vector<std::string> keys, steady_time deadline);

    std::unique_ptr<store> primary_;
    std::unique_ptr<store> previous_;
    std::shared_ptr<metrics::registry> registry_;
    clock& clock_;
    mover mover_;
};

class moving_engine final : public engine {
 public:
    moving_engine(std::unique_ptr<engine> primary, std::unique_ptr<engine> previous,
                  open_options options);
    ~moving_engine() override;
    moving_engine(const moving_engine&) = delete;
    moving_engine& operator=(const moving_engine&) = delete;

    std::unique_ptr<store> make_store(caller by) override;
    engine_promises promises() const noexcept override;
    std::vector<const metrics::registry*> metrics() const override;
    void close() override;

 private:
    std::unique_ptr<engine> primary_;
    std::unique_ptr<engine> previous_;
    open_options options_;
    mutable std::mutex mutex_;  // over registries_
    std::deque<std::shared_ptr<metrics::registry>> registries_;
};

}  // namespace lethe::store::moving
