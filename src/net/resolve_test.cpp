// Looking names up, with a system whose answer may be late.
#include "net/errors.hpp"
#include "net/stream.hpp"

#include <gtest/gtest.h>

#include <dlfcn.h>
#include <netdb.h>

#include <condition_variable>
#include <mutex>
#include <string_view>
#include <thread>

namespace {

using namespace std::chrono_literals;

std::mutex mutex;
std::condition_variable changed;
int asked = 0;
bool answers = false;

int look_up_late() {
    std::unique_lock lock(mutex);
    ++asked;
    changed.notify_all();
    changed.wait(lock, [] { return answers; });
    return EAI_NONAME;
}

}  // namespace

// In place of the C library's: names under "late.test" wait until the test lets them end.
extern "C" int getaddrinfo(const char* name, const char* service, const addrinfo* hints,
                           addrinfo** out) {
    if (name != nullptr && std::string_view(name).ends_with("late.test")) return look_up_late();
    using function = int (*)(const char*, const char*, const addrinfo*, addrinfo**);
    static const auto original = reinterpret_cast<function>(::dlsym(RTLD_NEXT, "getaddrinfo"));
    return original(name, service, hints, out);
}

namespace lethe::net {
namespace {

class Resolve : public ::testing::Test {
 public:
    Resolve() {
        answers = false;
        asked = 0;
    }
    // A worker ends after its look-ups.
    ~Resolve() override { let_answer(); }
    static void let_answer() {
        const std::scoped_lock lock(mutex);
        answers = true;
        changed.notify_all();
    }
    static task<> keep(worker& on, address to, steady_time deadline, error_code& out) {
        const result<stream> made = co_await connect(on, std::move(to), deadline);
        out = made.has_error() ? made.error() : error_code();
        co_return result<>{};
    }
};

TEST_F(Resolve, ALateAnswerIsNotWaitedForBeyondTheDeadline) {
    worker on;
    error_code first;
    const steady_time begin = on.time().steady_now();
    on.spawn(keep(on, {"late.test", 1}, begin + 50ms, first));
    on.start();
    while (on.under_way() != 0) std::this_thread::yield();
    EXPECT_EQ(first, errc::timeout);
    EXPECT_LT(on.time().steady_now(), begin + 5s);
    let_answer();
}

TEST_F(Resolve, StoppingTheWorkerEndsTheWait) {
    worker on;
    error_code ended;
    on.spawn(keep(on, {"late.test", 1}, steady_time::max(), ended));
    on.start();
    {
        std::unique_lock lock(mutex);
        EXPECT_TRUE(changed.wait_for(lock, 10s, [] { return asked > 0; }));
    }
    on.stop();
    EXPECT_EQ(ended, errc::cancelled);
    let_answer();
}

TEST_F(Resolve, ANameThatIsKnownLeadsToItsAddressAndAnotherToNone) {
    worker on;
    result<listener> at = listen(on, {"127.0.0.1", 0});
    ASSERT_TRUE(at.has_value());
    error_code known = LETHE_ERR(errc::timeout);
    error_code unknown;
    let_answer();
    on.spawn(keep(on, {"localhost", at->local().port}, on.time().steady_now() + 10s, known));
    on.spawn(keep(on, {"nobody.late.test", 1}, on.time().steady_now() + 10s, unknown));
    on.run();
    EXPECT_FALSE(known) << describe(known);
    EXPECT_EQ(unknown, errc::unknown_host);
}

}  // namespace
}  // namespace lethe::net
