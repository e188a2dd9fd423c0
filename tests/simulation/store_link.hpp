// A gateway's handle on a simulated store: messages that take time and may be lost on their way.
#pragma once

#include "simulation/host.hpp"
#include "simulation/store_server.hpp"

#include <memory>
#include <optional>

namespace lethe::simulation {

struct link_options {
    unsigned mishaps = 0;  // of a thousand messages
    store::engine_promises promises;
};

class store_link final : public store::store {
 public:
    store_link(host& on, store_server& to, faults& weather, link_options options);

    [[nodiscard]] lethe::store::engine_promises promises() const noexcept override {
        return options_.promises;
    }
    task<std::vector<lethe::store::answer>> batch(std::vector<lethe::store::operation> operations,
                                                  steady_time deadline) override {
        return send(std::move(operations), deadline, false);
    }
    task<std::vector<lethe::store::answer>> transact(
        std::vector<lethe::store::operation> operations, steady_time deadline) override {
        return send(std::move(operations), deadline, true);
    }
    task<lethe::store::subject_page> list_subject(std::string, std::string, std::string,
                                                  std::size_t, steady_time) override;
    task<> ping(steady_time deadline) override;

 private:
    struct call;
    using call_ptr = std::shared_ptr<call>;
    using answers = std::vector<lethe::store::answer>;

    task<answers> send(std::vector<lethe::store::operation> operations, steady_time deadline,
                       bool atomic);
    call_ptr begin(std::vector<lethe::store::operation> operations, steady_time deadline,
                   bool atomic);
    // A message outlives the process that sent it: these know nothing of the link.
    static void depart(const call_ptr& what, dice& d);
    static void arrive(const call_ptr& what);
    // The gateway learns, at that moment, that it will learn nothing more.
    static void cut(const call_ptr& what, moment when);
    static void end(const call_ptr& what, const result<answers>& how);

    host& host_;
    store_server& server_;
    faults& faults_;
    const link_options options_;
    std::uint64_t stream_;
    std::uint64_t sent_ = 0;
};

}  // namespace lethe::simulation
