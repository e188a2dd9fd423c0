// Bodies that are too large for memory and must be read whole before they are sent on: they go to a
// temporary file without a name, which is gone with the process.
#pragma once

#include "http/body.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace lethe::http {

struct spool_options {
    std::string directory;  // "": TMPDIR, else /var/tmp
    // Of all files together; above it errc::no_room.
    std::uint64_t bytes_max = std::uint64_t{1} << 30;
};

struct spooled {
    body_ptr body;       // can be rewound; the file lives as long as it
    std::string digest;  // SHA-256 of all bytes, 32 of them
};

// One per process; any worker may call. Files are written and read by a thread of its own, so that
// no worker waits for a disk.
class spool {
 public:
    explicit spool(spool_options options);
    // Nothing may be under way any more, and no spooled body be left.
    ~spool();
    spool(const spool&) = delete;
    spool& operator=(const spool&) = delete;

    // Reads `rest`, of which `begun` was read already, to its end; whoever made it bounds it.
    // Errors: errc::no_room, also when the disk does not take it, and those of `rest`.
    [[nodiscard]] task<spooled> take(std::string begun, body_ptr rest);

    // On the disk now.
    [[nodiscard]] std::uint64_t bytes() const noexcept;

 private:
    struct impl;
    class file;
    class file_body;
    std::unique_ptr<impl> impl_;
};

}  // namespace lethe::http
