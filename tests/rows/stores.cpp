#include "rows/stores.hpp"

#include "support/fault_proxy.hpp"
#include "support/process.hpp"
#include "support/servers.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace lethe::test {
namespace {

std::string bytes_below(const std::filesystem::path& folder) {
    std::string out;
    for (const auto& one : std::filesystem::recursive_directory_iterator(folder)) {
        if (!one.is_regular_file()) continue;
        std::ifstream in(one.path(), std::ios::binary);
        out.append(std::istreambuf_iterator<char>(in), {});
    }
    return out;
}

// With owners and modes: PostgreSQL starts on nothing else.
void copy_all(const std::filesystem::path& from, const std::filesystem::path& to) {
    std::filesystem::remove_all(to);
    const finished_command done = run_command(
        {server_program("cp"), "-a", from.string(), to.string()}, std::chrono::seconds{60});
    if (done.exit != 0) throw std::runtime_error("no copy was made: " + done.output);
}

// Away: another process holds all of the database's locks (https://sqlite.org/walformat.html,
// "WAL-Index File Format": eight lock bytes behind byte 120), so that neither a read nor a write
// begins.
class sqlite_file final : public tested_store {
 public:
    ~sqlite_file() override { come_back(); }
    std::string url(const std::filesystem::path& folder, const std::string& name) override {
        return "sqlite:" + (folder / (name + ".db")).string();
    }
    void go_away(const std::filesystem::path& folder, const std::string& name) override {
        held_ = ::open((folder / (name + ".db-shm")).c_str(), O_RDWR | O_CLOEXEC);
        struct flock all{};
        all.l_type = F_WRLCK;
        all.l_whence = SEEK_SET;
        all.l_start = 120;
        all.l_len = 8;
        if (held_ < 0 || ::fcntl(held_, F_SETLKW, &all) != 0)
            throw std::runtime_error("the database cannot be locked");
    }
    void come_back() override {
        if (held_ >= 0) ::close(std::exchange(held_, -1));
    }
    void keep_copy(const std::filesystem::path& folder) override {
        for (const char* part : parts) {
            const std::filesystem::path file = folder / part;
            if (std::filesystem::exists(file)) copy_all(file, file.string() + ".copy");
        }
    }
    void go_back_to_copy(const std::filesystem::path& folder) override {
        for (const char* part : parts) {
            const std::filesystem::path file = folder / part;
            std::filesystem::remove(file);
            if (std::filesystem::exists(file.string() + ".copy"))
                copy_all(file.string() + ".copy", file);
        }
    }
    std::string dump(const std::filesystem::path& folder) override { return bytes_below(folder); }

 private:
    static constexpr const char* parts[] = {"state.db", "state.db-wal", "state.db-shm"};

    int held_ = -1;
};

template <class Server>
class server_store final : public tested_store {
 public:
    // Where the server keeps its data, below its folder.
    explicit server_store(std::string data) : data_(std::move(data)) {}

    // All stores of a test are one server, but for what a proxy in between does to one of them.
    std::string url(const std::filesystem::path&, const std::string& name) override {
        std::string direct = server_.url();
        if (name == "state") return direct;
        if (!proxy_) proxy_.emplace(server_.port());
        const std::string port = ":" + std::to_string(server_.port());
        direct.replace(direct.find(port), port.size(), ":" + std::to_string(proxy_->port()));
        return direct;
    }
    void go_away(const std::filesystem::path&, const std::string& name) override {
        if (name == "state") {
            server_.kill_now();
            return;
        }
        proxy_->hold_all(true);
    }
    void come_back() override {
        if (!server_.running()) server_.start();
        if (proxy_) proxy_->heal();
    }
    void keep_copy(const std::filesystem::path& folder) override {
        server_.stop();
        copy_all(server_.folder() / data_, folder / "copy");
        server_.start();
    }
    void go_back_to_copy(const std::filesystem::path& folder) override {
        server_.stop();
        copy_all(folder / "copy", server_.folder() / data_);
        server_.start();
    }
    // Its files, the log of changes among them.
    std::string dump(const std::filesystem::path&) override {
        return bytes_below(server_.folder());
    }

 private:
    std::string data_;
    Server server_;
    std::optional<fault_proxy> proxy_;
};

std::unique_ptr<tested_store> make_store(const std::string& name) {
    if (name == "sqlite") return std::make_unique<sqlite_file>();
    if (name == "postgres") return std::make_unique<server_store<postgres_server>>("data");
    if (name == "redis") return std::make_unique<server_store<redis_server>>("appendonlydir");
    throw std::runtime_error("no store is called " + name);
}

}  // namespace

tested_store& store_called(const std::string& name) {
    static std::map<std::string, std::unique_ptr<tested_store>> all;
    auto& one = all[name];
    if (!one) one = make_store(name);
    return *one;
}

}  // namespace lethe::test
