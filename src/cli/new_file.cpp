#include "cli/new_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace lethe::cli {

std::string write_new_file(const std::string& path, const std::string& text) {
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0 && errno == EEXIST)
        return "'" + path + "' exists already; keys are not overwritten, choose another name";
    if (file < 0) return "'" + path + "' cannot be made: " + std::generic_category().message(errno);
    std::string_view left = text;
    while (!left.empty()) {
        const ssize_t written = ::write(file, left.data(), left.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) break;
        left.remove_prefix(static_cast<std::size_t>(written));
    }
    const int failure = left.empty() ? 0 : errno;
    if (::close(file) == 0 && failure == 0) return {};
    const int reason = failure != 0 ? failure : errno;
    ::unlink(path.c_str());
    return "'" + path + "' cannot be written: " + std::generic_category().message(reason);
}

}  // namespace lethe::cli
