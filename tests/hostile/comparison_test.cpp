// The corpus through lethe, nginx and HAProxy, alone and one behind the other: no two may disagree
// about where a message ends when both pass it on. LETHE_HOSTILE_TABLE=FILE writes who accepts
// what.
#include "hostile/all_lanes.hpp"
#include "hostile/gateways.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <map>

namespace lethe::test::hostile {
namespace {

enum who : std::size_t { lethe_alone, nginx_alone, haproxy_alone };
constexpr std::array<const char*, 3> names = {"lethe", "nginx", "HAProxy"};

// Without the targets, which each writes its own way.
std::vector<std::pair<std::string, std::string>> ends_of(const std::vector<message>& all) {
    std::vector<std::pair<std::string, std::string>> out;
    for (const message& one : all) out.emplace_back(one.method, one.body);
    return out;
}

// Whether the second is the first without some of its messages.
bool is_part_of(const std::vector<message>& all, const std::vector<message>& some) {
    const auto whole = ends_of(all);
    const auto part = ends_of(some);
    std::size_t at = 0;
    for (const auto& one : whole)
        if (at < part.size() && part[at] == one) ++at;
    return at == part.size();
}

// A short form of what came through: methods, body sizes, the probe.
std::string in_short(const std::vector<message>& forwarded) {
    if (forwarded.empty()) return "refused";
    std::string out;
    for (const message& one : forwarded) {
        if (!out.empty()) out += ", ";
        if (one.target.ends_with(probe_target))
            out += "next";
        else
            out += one.method.substr(0, 12) +
                   (one.body.empty() ? "" : "+" + std::to_string(one.body.size()));
    }
    return out;
}

using columns = std::array<std::string, 3>;

// Topics, and in each the cases of which the three make different things.
class table {
 public:
    void add(const std::string& name, const columns& what) {
        if (what[0] == what[1] && what[0] == what[2]) return;
        const std::size_t slash = name.find('/');
        rows_[name.substr(0, slash)][what].push_back(name.substr(slash + 1));
    }
    void write(const std::string& title) const {
        const char* const path = std::getenv("LETHE_HOSTILE_TABLE");
        if (path == nullptr) return;
        std::ofstream out(path, std::ios::app);
        out << "## " << title << "\n\n| topic | lethe | nginx | HAProxy | cases |\n"
            << "|---|---|---|---|---|\n";
        for (const auto& [topic, kinds] : rows_)
            for (const auto& [what, cases] : kinds) {
                out << "| " << topic << " | " << what[0] << " | " << what[1] << " | " << what[2]
                    << " | ";
                for (std::size_t i = 0; i < cases.size(); ++i)
                    out << (i == 0 ? "" : ", ") << cases[i];
                out << " |\n";
            }
        out << '\n';
    }

 private:
    std::map<std::string, std::map<columns, std::vector<std::string>>> rows_;
};

// lethe, nginx and HAProxy before the same upstreams.
struct three {
    all_lanes lanes;
    lethe_gateway lethe{lanes.upstreams()};
    other_gateway nginx = other_gateway::nginx(lanes.upstreams());
    other_gateway haproxy = other_gateway::haproxy(lanes.upstreams());

    [[nodiscard]] const ports& at(std::size_t index) const {
        return index == lethe_alone ? lethe.at() : index == nginx_alone ? nginx.at() : haproxy.at();
    }
};

using request_outcomes = std::vector<request_outcome>;
request_outcomes send_all(all_lanes& lanes, const ports& to,
                          const std::vector<hostile_case>& corpus) {
    request_outcomes out(corpus.size());
    lanes.run(corpus.size(), [&](lane& on, std::size_t index, std::size_t job) {
        out[job] = on.send(to[index], in_one(with_probe(corpus[job])), true);
    });
    return out;
}

TEST(HostileComparison, NoTwoGatewaysDisagreeAboutWhereARequestEndsIfLetheForwardsIt) {
    const std::vector<hostile_case> corpus = read_corpus(side::requests);
    three all;
    std::array<request_outcomes, 3> outcomes;
    for (std::size_t i = 0; i < outcomes.size(); ++i)
        outcomes[i] = send_all(all.lanes, all.at(i), corpus);
    table differences;
    for (std::size_t i = 0; i < corpus.size(); ++i) {
        SCOPED_TRACE(corpus[i].name + ": " + corpus[i].why + "\n  " + printable(corpus[i].bytes));
        const request_outcome& ours = outcomes[lethe_alone][i];
        EXPECT_EQ(ours.forwarded, expected_upstream(corpus[i])) << to_text(ours.forwarded);
        differences.add(corpus[i].name,
                        {in_short(ours.forwarded), in_short(outcomes[nginx_alone][i].forwarded),
                         in_short(outcomes[haproxy_alone][i].forwarded)});
        for (const std::size_t other : {nginx_alone, haproxy_alone}) {
            const std::vector<message>& theirs = outcomes[other][i].forwarded;
            // Where one of the two has refused, the other's reading stands alone.
            const std::size_t both = std::min(ours.forwarded.size(), theirs.size());
            for (std::size_t at = 0; at < both; ++at) {
                EXPECT_EQ(ends_of({theirs[at]}), ends_of({ours.forwarded[at]}))
                    << names[other] << " forwards " << to_text(theirs);
            }
        }
    }
    differences.write("Requests");
}

// What `front` forwards when it is alone, and what the last server sees behind both.
void compare_chain(const std::vector<hostile_case>& corpus, const std::string& chain,
                   const request_outcomes& front, const request_outcomes& both) {
    for (std::size_t i = 0; i < corpus.size(); ++i) {
        SCOPED_TRACE(chain + ", " + corpus[i].name + ": " + corpus[i].why + "\n  " +
                     printable(corpus[i].bytes));
        EXPECT_EQ(both[i].unreadable, "");
        EXPECT_TRUE(is_part_of(front[i].forwarded, both[i].forwarded))
            << "the front one forwards " << to_text(front[i].forwarded) << "\nthe last server sees "
            << to_text(both[i].forwarded);
    }
}

TEST(HostileComparison, BehindLetheTheOthersSeeTheRequestsThatLetheForwarded) {
    const std::vector<hostile_case> corpus = read_corpus(side::requests);
    three all;
    const request_outcomes alone = send_all(all.lanes, all.lethe.at(), corpus);
    const lethe_gateway before_nginx(all.nginx.at());
    compare_chain(corpus, "lethe before nginx", alone,
                  send_all(all.lanes, before_nginx.at(), corpus));
    const lethe_gateway before_haproxy(all.haproxy.at());
    compare_chain(corpus, "lethe before HAProxy", alone,
                  send_all(all.lanes, before_haproxy.at(), corpus));
}

TEST(HostileComparison, BehindTheOthersLetheSeesTheRequestsThatTheyForwarded) {
    const std::vector<hostile_case> corpus = read_corpus(side::requests);
    three all;
    const other_gateway nginx = other_gateway::nginx(all.lethe.at());
    compare_chain(corpus, "nginx before lethe", send_all(all.lanes, all.nginx.at(), corpus),
                  send_all(all.lanes, nginx.at(), corpus));
    const other_gateway haproxy = other_gateway::haproxy(all.lethe.at());
    compare_chain(corpus, "HAProxy before lethe", send_all(all.lanes, all.haproxy.at(), corpus),
                  send_all(all.lanes, haproxy.at(), corpus));
}

std::string in_short(const answer_outcome& one) {
    if (one.stuck) return "stuck";
    if (one.got.how == reading::malformed) return "passed on malformed";
    if (one.got.how != reading::whole) return "cut";
    const std::string status = std::to_string(one.got.status);
    std::string out = one.got.status >= 500 ? "refused" : status;
    if (out == status && !one.got.body.empty()) out += "+" + std::to_string(one.got.body.size());
    return one.probe_arrived ? out : out + ", next lost";
}

bool is_forwarded(const answer_outcome& one) {
    return !one.stuck && one.got.how == reading::whole && one.got.status < 500;
}

TEST(HostileComparison, NoTwoGatewaysDisagreeAboutWhereAnAnswerEndsIfLetheForwardsIt) {
    const std::vector<hostile_case> corpus = read_corpus(side::answers);
    three all;
    std::array<std::vector<answer_outcome>, 3> outcomes;
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
        outcomes[i].resize(corpus.size());
        all.lanes.run(corpus.size(), [&](lane& on, std::size_t index, std::size_t job) {
            outcomes[i][job] =
                on.answer(all.at(i)[index], corpus[job], in_one(corpus[job].bytes), true);
        });
    }
    table differences;
    for (std::size_t i = 0; i < corpus.size(); ++i) {
        const hostile_case& one = corpus[i];
        SCOPED_TRACE(one.name + ": " + one.why + "\n  " + printable(one.bytes));
        const answer_outcome& ours = outcomes[lethe_alone][i];
        EXPECT_TRUE(ours.probe_arrived);
        EXPECT_EQ(is_forwarded(ours), one.then == ending::open);
        differences.add(one.name, {in_short(ours), in_short(outcomes[nginx_alone][i]),
                                   in_short(outcomes[haproxy_alone][i])});
        if (!is_forwarded(ours)) continue;
        for (const std::size_t other : {nginx_alone, haproxy_alone}) {
            const answer_outcome& theirs = outcomes[other][i];
            if (!is_forwarded(theirs)) continue;
            EXPECT_EQ(theirs.got.status, ours.got.status) << names[other];
            EXPECT_EQ(theirs.got.body, ours.got.body) << names[other];
        }
    }
    differences.write("Answers");
}

}  // namespace
}  // namespace lethe::test::hostile
