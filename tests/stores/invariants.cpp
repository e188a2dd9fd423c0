#include "stores/invariants.hpp"

#include <map>
#include <set>

namespace lethe::store {

using namespace std::chrono_literals;

task<std::vector<std::string>> check_index(store& in, net::worker& on, load_options options) {
    std::vector<std::string> wrong;
    const steady_time deadline = on.time().steady_now() + 30s;
    std::map<std::string, std::set<std::string>> of_subject;
    for (std::size_t key = 0; key < options.keys; ++key) {
        const result<std::optional<record>> found =
            co_await in.read(key_of(options, key), deadline);
        if (found.has_error()) co_return found.error();
        if (*found) of_subject[(*found)->subject].insert(key_of(options, key));
    }
    for (std::size_t i = 0; i < subjects_of_load; ++i) {
        const std::string subject = subject_of(options, i);
        const result<subject_page> page =
            co_await in.list_subject(subject, "", "", page_keys_max, deadline);
        if (page.has_error()) co_return page.error();
        const std::set<std::string> listed(page->keys.begin(), page->keys.end());
        for (const std::string& key : of_subject[subject])
            if (!listed.contains(key)) wrong.push_back(key + " is not listed");
        for (const std::string& key : listed)
            if (!of_subject[subject].contains(key))
                wrong.push_back(key + " is listed under a subject that is not its own");
    }
    co_return wrong;
}

}  // namespace lethe::store
