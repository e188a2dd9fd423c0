#include "support/small_disk.hpp"

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <string>

namespace lethe::test {

small_disk::small_disk(std::size_t bytes) : folder_("lethe-disk-") {
    const std::string options = "mode=0777,size=" + std::to_string(bytes);
    mounted_ = ::mount("lethe-test", folder_.path().c_str(), "tmpfs", MS_NOSUID | MS_NODEV,
                       options.c_str()) == 0;
}

small_disk::~small_disk() {
    if (mounted_) ::umount2(folder_.path().c_str(), MNT_DETACH);
}

void small_disk::fill() {
    const std::filesystem::path ballast = folder_.path() / "ballast";
    const int file = ::open(ballast.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    const std::string piece(64 * 1024, 'x');
    for (std::size_t size = piece.size(); file >= 0 && size != 0;) {
        const ssize_t written = ::write(file, piece.data(), size);
        if (written < static_cast<ssize_t>(size)) size /= 2;
    }
    if (file >= 0) ::close(file);
}

void small_disk::empty() {
    std::error_code ignored;
    std::filesystem::remove(folder_.path() / "ballast", ignored);
}

}  // namespace lethe::test
