// A service behind a gateway under test that shows what it got of the session and changes it.
#pragma once

#include "base/bytes.hpp"
#include "wire/peers.hpp"

#include <sstream>
#include <string>

namespace lethe::test {

// /show answers the slots as JSON, then "; stale" where the gateway says so; /add counts one more
// with an operation; /set/NAME/BYTES merges a text of so many letters into the slot `page`;
// /login/NAME, /logout and /regenerate are what they are called.
class session_service {
 public:
    session_service() : origin_([](raw_socket& c) { serve(c); }) {}
    [[nodiscard]] std::string url() const {
        return "http://127.0.0.1:" + std::to_string(origin_.port());
    }

 private:
    static std::string field(const std::string& head, const std::string& name) {
        const std::size_t at = head.find("\r\n" + name + ": ");
        if (at == std::string::npos) return {};
        const std::size_t from = at + name.size() + 4;
        return head.substr(from, head.find("\r\n", from) - from);
    }
    static std::string patch(const std::string& json, const std::string& type) {
        return "Lethe-Session-Patch: :" + to_base64(json) + ":;type=" + type + "\r\n";
    }
    static std::string change(const std::string& target) {
        std::istringstream parts(target);
        std::string skipped;
        std::string what;
        std::string first;
        std::string second;
        std::getline(parts, skipped, '/');
        std::getline(parts, what, '/');
        std::getline(parts, first, '/');
        std::getline(parts, second, '/');
        if (what == "add") return patch(R"([{"op":"inc","path":"/cart/count"}])", "ops");
        if (what == "set")
            return patch(R"({"page":{")" + first + R"(":")" + std::string(std::stoul(second), 'x') +
                             R"("}})",
                         "merge");
        if (what == "login") return "Lethe-Session-Op: bind;subject=\"" + first + "\"\r\n";
        if (what == "logout") return "Lethe-Session-Op: destroy\r\n";
        if (what == "regenerate") return "Lethe-Session-Op: regenerate\r\n";
        return {};
    }
    static void serve(raw_socket& connection) {
        for (std::string head; !(head = connection.read_message()).empty();) {
            const std::size_t space = head.find(' ');
            const std::string target =
                head.substr(space + 1, head.find(' ', space + 1) - space - 1);
            const std::string slots = field(head, "Lethe-Session");
            std::string body =
                slots.size() < 2 ? "none" : *from_base64(slots.substr(1, slots.size() - 2));
            if (field(head, "Lethe-Session-Stale") == "?1") body += "; stale";
            connection.send("HTTP/1.1 200 OK\r\n" + change(target) +
                            "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
        }
    }

    scripted_origin origin_;
};

}  // namespace lethe::test
