// Which TLS a listener has after a reload, and when its files count as changed.
#include "gateway/listener_tls.hpp"

#include "support/process.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace lethe::gateway {
namespace {

config::listener_options plain(std::uint16_t port) {
    config::listener_options out;
    out.address = {"127.0.0.1", port};
    return out;
}

config::listener_options secure(std::uint16_t port, const std::string& file) {
    config::listener_options out = plain(port);
    out.tls.emplace().certificates = {{file}};
    return out;
}

std::string file_of(const config::listener_options& one) {
    return one.tls ? one.tls->certificates.at(0).file : "plain";
}

TEST(ListenerTls, OptionsFollowTheAddressAndWhetherItSpeaksTlsStays) {
    const std::vector opened = {secure(1, "a"), plain(2), secure(3, "c"), secure(4, "d")};
    const std::vector fresh = {secure(3, "new c"), secure(1, "new a"), secure(2, "b"), plain(4)};
    const auto now = with_options_of(opened, fresh);
    ASSERT_EQ(now.size(), 4U);
    EXPECT_EQ(file_of(now[0]), "new a");
    EXPECT_EQ(file_of(now[1]), "plain") << "it was opened so";
    EXPECT_EQ(file_of(now[2]), "new c");
    EXPECT_EQ(file_of(now[3]), "d") << "likewise";
}

TEST(ListenerTls, OfPortsThatTheSystemChoseEachHasItsOwn) {
    const std::vector opened = {secure(0, "a"), secure(0, "b")};
    const auto now = with_options_of(opened, {secure(0, "new a"), secure(0, "new b")});
    EXPECT_EQ(file_of(now[0]), "new a");
    EXPECT_EQ(file_of(now[1]), "new b");
}

TEST(FileWatch, TellsOnceOfWhatWasWrittenReplacedOrIsGone) {
    const lethe::test::temporary_folder folder("lethe-file-watch");
    const std::filesystem::path file = folder.path() / "a";
    const auto write = [&](const std::filesystem::path& to, const std::string& text) {
        std::ofstream(to) << text;
    };
    write(file, "one");
    file_watch watch({file.string(), (folder.path() / "never").string()});
    EXPECT_FALSE(watch.changed());
    write(file, "longer");
    EXPECT_TRUE(watch.changed());
    EXPECT_FALSE(watch.changed());
    write(folder.path() / "b", "longer");
    std::filesystem::rename(folder.path() / "b", file);
    EXPECT_TRUE(watch.changed()) << "another file of the same size";
    std::filesystem::remove(file);
    EXPECT_TRUE(watch.changed());
    EXPECT_FALSE(watch.changed());
    EXPECT_FALSE(file_watch().changed());
}

}  // namespace
}  // namespace lethe::gateway
