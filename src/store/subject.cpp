#include "store/subject.hpp"

#include <utility>

namespace lethe::store {
namespace {

// Small enough for one round trip not to hold up others, were every value of the largest size.
constexpr std::size_t keys_per_page = 64;

// The records of `keys` that are the subject's now, as erases of just these versions.
task<std::vector<operation>> erases_of(store& in, std::vector<std::string> keys,
                                       std::string_view subject, steady_time deadline) {
    std::vector<operation> reads;
    reads.reserve(keys.size());
    for (const std::string& key : keys) reads.push_back(get{key});
    result<std::vector<answer>> found = co_await in.batch(std::move(reads), deadline);
    if (found.has_error()) co_return found.error();
    std::vector<operation> out;
    for (std::size_t i = 0; i < keys.size(); ++i) {
        const std::optional<record>& present = (*found)[i].present;
        if (present && present->subject == subject)
            out.push_back(erase{std::move(keys[i]), present->version});
    }
    co_return out;
}

// Erases what one page lists; answers the keys that are gone.
task<std::vector<std::string>> erase_page(store& in, std::vector<std::string> keys,
                                          std::string_view subject, steady_time deadline) {
    result<std::vector<operation>> erases =
        co_await erases_of(in, std::move(keys), subject, deadline);
    if (erases.has_error()) co_return erases.error();
    std::vector<std::string> gone;
    if (erases->empty()) co_return gone;
    const result<std::vector<answer>> answers = co_await in.batch(*erases, deadline);
    if (answers.has_error()) co_return answers.error();
    for (std::size_t i = 0; i < answers->size(); ++i)
        if ((*answers)[i].done) gone.push_back(std::move(std::get<erase>((*erases)[i]).key));
    co_return gone;
}

}  // namespace

task<std::size_t> erase_subject(store& in, std::string subject, std::string key_prefix,
                                steady_time deadline, erased_keys tell) {
    std::size_t erased = 0;
    bool found_any = true;
    while (found_any) {
        found_any = false;
        std::string after;
        for (bool more = true; more;) {
            result<subject_page> page =
                co_await in.list_subject(subject, key_prefix, after, keys_per_page, deadline);
            if (page.has_error()) co_return page.error();
            more = page->more;
            if (page->keys.empty()) continue;
            found_any = true;
            after = page->keys.back();
            const result<std::vector<std::string>> gone =
                co_await erase_page(in, std::move(page->keys), subject, deadline);
            if (gone.has_error()) co_return gone.error();
            erased += gone->size();
            if (tell && !gone->empty()) tell(*gone);
        }
    }
    co_return erased;
}

}  // namespace lethe::store
