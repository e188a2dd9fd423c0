#include "tour/load.hpp"

#include <utility>

namespace lethe::tour {
namespace {

constexpr std::chrono::milliseconds pause_after_refusal{20};
constexpr std::chrono::seconds answer_time_max{20};

}  // namespace

void load::run(one& o) const {
    test::client sender(port_, answer_time_max);
    sender.cookies() = o.who.cookies;
    for (std::size_t n = 0; n < o.count_max && !stop_ && !test::client::interrupted();) {
        observation made{o.make(n), {}};
        made.request.fields.emplace_back("Authorization", "Bearer " + o.who.token);
        made.answer = sender.send(made.request);
        if (made.answer.failure == test::http_failure::refused) {
            std::this_thread::sleep_for(pause_after_refusal);
            continue;
        }
        o.seen.push_back(std::move(made));
        ++n;
    }
}

void load::add(visitor who, std::function<test::http_request(std::size_t)> make,
               std::size_t count_max) {
    one& o = *all_.emplace_back(std::make_unique<one>());
    o.who = std::move(who);
    o.make = std::move(make);
    o.count_max = count_max;
    o.thread = std::thread([this, &o] { run(o); });
}

void load::wait() {
    for (auto& o : all_)
        if (o->thread.joinable()) o->thread.join();
}

void load::finish() {
    stop_ = true;
    wait();
}

std::vector<observation> load::seen() const {
    std::vector<observation> all;
    for (const auto& o : all_) all.insert(all.end(), o->seen.begin(), o->seen.end());
    return all;
}

}  // namespace lethe::tour
