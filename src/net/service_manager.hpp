// What a service manager such as systemd gives us, and what it is told.
#pragma once

#include "base/descriptor.hpp"
#include "base/error.hpp"

#include <string_view>

namespace lethe::net {

// Socket activation (sd_listen_fds(3)): a copy of the listening socket of that name
// (FileDescriptorName=, else the unit's own, such as "lethe.socket"), or of that number among those
// passed, from "0". Main thread, before workers run. Errors: not_inherited.
[[nodiscard]] result<descriptor> take_inherited(std::string_view name);

// How far we are (sd_notify(3)): "READY=1", "STOPPING=1". Where nobody asked to be told, and where
// nobody takes it, nothing happens.
void tell_service_manager(std::string_view state) noexcept;
// "RELOADING=1", with the time that it must carry.
void tell_of_reload();

}  // namespace lethe::net
