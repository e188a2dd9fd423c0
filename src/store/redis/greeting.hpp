// What is said on a new connection before anything else: who we are, in which protocol, to which
// database, and that the functions must be there. All of it leaves in one write.
#pragma once

#include "store/redis/settings.hpp"

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::store::redis {

// A value; no sockets.
class greeting {
 public:
    // `name` is the store's, for logs.
    greeting(const settings& with, std::string name);

    [[nodiscard]] const std::string& bytes() const noexcept { return bytes_; }
    [[nodiscard]] std::size_t replies() const noexcept { return steps_.size(); }
    // Judges one reply. errc::unavailable, and logged: this connection is of no use. A server
    // without RESP3 is; a server that is no primary is not.
    [[nodiscard]] result<> judge(std::size_t index, std::string_view reply) const;
    // Whether a server had no functions before, since this was last asked. Any thread.
    [[nodiscard]] bool take_first_load() const noexcept { return first_load_->exchange(false); }

 private:
    enum class step { authenticate, hello, name, database, functions, role };

    [[nodiscard]] bool tolerable(step at, std::string_view error) const noexcept;
    [[nodiscard]] result<> refuse(step at, std::string_view why) const;

    std::vector<step> steps_;
    std::string bytes_;
    std::string name_;
    std::shared_ptr<std::atomic<bool>> first_load_ = std::make_shared<std::atomic<bool>>(false);
};

// AUTH, where somebody is to be presented; whether it was appended.
bool append_authentication(std::string& to, const credentials& who);

}  // namespace lethe::store::redis
