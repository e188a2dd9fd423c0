// The write-ahead log of one connection that writes, in one piece: a file layer (a VFS of SQLite's)
// between SQLite and the system. SQLite hands over a commit frame by frame, in two writes each (24
// bytes, then a page); here they are collected, and written when SQLite syncs the log.
//
// For connections with synchronous=FULL alone. Why nobody sees a log-index that speaks of frames
// that are not there (https://www.sqlite.org/walformat.html):
//
//  1. Frames are appended by the one connection that holds the write lock. Others read none beyond
//     mxFrame, which stands in the header of the log-index; what is behind it is nobody's.
//  2. A commit is: all its frames, the sync of the log, then the header. The sync writes what is
//     collected first, and where that fails it fails: SQLite takes the transaction back, and the
//     header stays as it was. So at the header's barrier nothing is collected; were it otherwise
//     (synchronous=NORMAL publishes without a sync), it is written there, and a failure ends the
//     process, because a barrier cannot fail.
//  3. Frames that left the page cache before their commit are read by this connection alone; a read
//     that touches what is collected writes it first.
//  4. What a transaction leaves that was taken back must not be written later, over frames of
//     another process: letting go of the write lock forgets it, as does the end of the file's use.
//     Nothing is lost: only a commit makes frames count, and a commit leaves nothing collected.
//  5. A recovery (after a crash, in any process) takes the write lock first, so that nothing is
//     collected meanwhile. It reads frames up to the last valid commit. Of a process that died the
//     collected ones are missing, which had not been synced: no commit of theirs was answered.
//  6. Writes keep their order, and a commit's last frame is written with or after all others of it,
//     so that what a full disk cuts off is its end.
//
// Other writes (the log's header, frames written a second time) go to where they belong, in what
// is collected or, when they are elsewhere, after it was written. Where the file system cannot keep
// a neighbouring byte over a power cut, SQLite pads its commits after the sync: nothing is
// collected there.
#pragma once

#include <memory>

namespace lethe::store::sqlite {

// One for one connection, which it outlives.
class log_buffer {
 public:
    // Over SQLite's VFS of this name; null is its default one.
    explicit log_buffer(const char* below);
    ~log_buffer();
    log_buffer(const log_buffer&) = delete;
    log_buffer& operator=(const log_buffer&) = delete;

    // Of the VFS, for sqlite3_open_v2(). Null where there is no VFS below.
    [[nodiscard]] const char* name() const noexcept;

 private:
    class layer;
    std::unique_ptr<layer> layer_;
};

}  // namespace lethe::store::sqlite
