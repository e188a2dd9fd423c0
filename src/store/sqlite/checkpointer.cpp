#include "store/sqlite/checkpointer.hpp"

#include <sqlite3.h>

namespace lethe::store::sqlite {

checkpointer::~checkpointer() {
    close();
}

int checkpointer::start(const connection_options& how, std::string& message) {
    const int opened = on_.open(how, message);
    if (opened == SQLITE_OK) thread_ = std::thread([this] { run(); });
    return opened;
}

void checkpointer::ask() {
    const std::scoped_lock lock(mutex_);
    asked_ = true;
    wake_.notify_one();
}

void checkpointer::close() {
    {
        const std::scoped_lock lock(mutex_);
        closed_ = true;
        wake_.notify_one();
    }
    if (thread_.joinable()) thread_.join();
}

void checkpointer::run() {
    std::unique_lock lock(mutex_);
    while (true) {
        wake_.wait(lock, [this] { return asked_ || closed_; });
        if (closed_) return;
        asked_ = false;
        lock.unlock();
        if (on_.checkpoint(connection::checkpoint_kind::passive) == SQLITE_OK) done_.add();
        lock.lock();
    }
}

}  // namespace lethe::store::sqlite
