#include "support/dns_server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>

namespace lethe::test {
namespace {

constexpr unsigned type_a = 1;
constexpr unsigned type_aaaa = 28;
constexpr unsigned type_srv = 33;

void put(std::string& to, unsigned value) {
    to.push_back(static_cast<char>(value >> 8));
    to.push_back(static_cast<char>(value));
}

void put_name(std::string& to, const std::string& name) {
    std::size_t from = 0;
    while (from < name.size()) {
        const std::size_t end = std::min(name.find('.', from), name.size());
        to.push_back(static_cast<char>(end - from));
        to.append(name, from, end - from);
        from = end + 1;
    }
    to.push_back('\0');
}

void put_record(std::string& to, unsigned type, const std::string& data) {
    put(to, 0xc00c);  // the question's name
    put(to, type);
    put(to, 1);
    put(to, 0);  // how long it may be kept: not at all
    put(to, 0);
    put(to, static_cast<unsigned>(data.size()));
    to += data;
}

std::string to_data(const dns_service& of) {
    std::string out;
    put(out, of.priority);
    put(out, of.weight);
    put(out, of.port);
    put_name(out, of.target);
    return out;
}

// "" for another kind.
std::string to_data(const std::string& address, unsigned type) {
    char bytes[16];
    const bool is_v6 = address.find(':') != std::string::npos;
    if (is_v6 != (type == type_aaaa)) return {};
    if (::inet_pton(is_v6 ? AF_INET6 : AF_INET, address.c_str(), bytes) != 1) std::abort();
    return {bytes, is_v6 ? 16U : 4U};
}

}  // namespace

dns_server::dns_server(bool answers) : answers_(answers) {
    socket_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    if (::bind(socket_, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0 ||
        ::getsockname(socket_, reinterpret_cast<sockaddr*>(&at), &size) != 0)
        std::abort();
    port_ = ntohs(at.sin_port);
    thread_ = std::thread([this] { serve(); });
}

dns_server::~dns_server() {
    {
        const std::scoped_lock lock(mutex_);
        stopping_ = true;
    }
    thread_.join();
    ::close(socket_);
}

void dns_server::set_addresses(const std::string& name, std::vector<std::string> addresses) {
    const std::scoped_lock lock(mutex_);
    addresses_[name] = std::move(addresses);
}

void dns_server::set_services(const std::string& name, std::vector<dns_service> services) {
    const std::scoped_lock lock(mutex_);
    services_[name] = std::move(services);
}

void dns_server::fail(bool yes) {
    const std::scoped_lock lock(mutex_);
    failing_ = yes;
}

bool dns_server::wait_for_questions(int count) {
    std::unique_lock lock(mutex_);
    const int wanted = questions_ + count;
    return asked_.wait_for(lock, std::chrono::seconds{20}, [&] { return questions_ >= wanted; });
}

void dns_server::serve() {
    while (true) {
        {
            const std::scoped_lock lock(mutex_);
            if (stopping_) return;
        }
        pollfd waiting{socket_, POLLIN, 0};
        if (::poll(&waiting, 1, 50) != 1) continue;
        char bytes[512];
        sockaddr_in from{};
        socklen_t size = sizeof from;
        const ssize_t got =
            ::recvfrom(socket_, bytes, sizeof bytes, 0, reinterpret_cast<sockaddr*>(&from), &size);
        if (got < 17) continue;
        const std::string answer = answer_to({bytes, static_cast<std::size_t>(got)});
        if (answers_)
            ::sendto(socket_, answer.data(), answer.size(), 0,
                     reinterpret_cast<const sockaddr*>(&from), size);
        const std::scoped_lock lock(mutex_);
        ++questions_;
        asked_.notify_all();
    }
}

std::string dns_server::answer_to(const std::string& question) {
    std::string name;
    std::size_t at = 12;
    while (at < question.size() && question[at] != '\0') {
        const auto bytes = static_cast<std::size_t>(question[at]);
        name += (name.empty() ? "" : ".") + question.substr(at + 1, bytes);
        at += bytes + 1;
    }
    const auto type = static_cast<unsigned char>(question.at(at + 2));
    const std::scoped_lock lock(mutex_);
    std::string records;
    unsigned count = 0;
    const auto add = [&](const std::string& data) {
        if (data.empty()) return;
        put_record(records, type, data);
        ++count;
    };
    const bool known = !addresses_[name].empty() || !services_[name].empty();
    if (type == type_a || type == type_aaaa)
        for (const std::string& one : addresses_[name]) add(to_data(one, type));
    if (type == type_srv)
        for (const dns_service& one : services_[name]) add(to_data(one));
    if (failing_) records.clear();
    std::string out = question.substr(0, 2);
    constexpr unsigned answered = 0x8580;  // an answer, authoritative, recursion as asked for
    put(out, answered | (failing_ ? 2U : known ? 0U : 3U));
    put(out, 1);
    put(out, failing_ ? 0 : count);
    put(out, 0);
    put(out, 0);
    return out + question.substr(12, at + 5 - 12) + records;
}

}  // namespace lethe::test
