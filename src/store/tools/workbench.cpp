#include "store/tools/workbench.hpp"

namespace lethe::store::tools {

workbench::workbench() = default;

// As in the gateway: what the engines still answer goes to the worker's loop, which must be there
// then.
workbench::~workbench() {
    worker_.stop();
    for (const auto& one : engines_) one->close();
    stores_.clear();
}

void workbench::start() {
    if (!std::exchange(started_, true)) worker_.start();
}

result<store*> workbench::open(const std::string& url, const std::string& previous,
                               const std::string& name, std::string& why) {
    LETHE_ASSERT(!started_);
    LETHE_TRY(std::unique_ptr<engine> opened, open_moving(url, previous, {.name = name}, why));
    stores_.push_back(opened->make_store(worker_));
    engines_.push_back(std::move(opened));
    return stores_.back().get();
}

}  // namespace lethe::store::tools
