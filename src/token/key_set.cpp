#include "token/key_set.hpp"

#include "base/json.hpp"

#include <algorithm>

namespace lethe::token {
namespace {

namespace bj = boost::json;

constexpr std::string_view private_members[] = {"d", "p", "q", "dp", "dq", "qi", "oth"};

bool has_private_member(const bj::object& jwk) {
    return std::any_of(std::begin(private_members), std::end(private_members),
                       [&jwk](std::string_view name) { return jwk.contains(name); });
}

// As much of the `kid` as may stand in a log.
std::string readable_id(const bj::value& entry) {
    if (!entry.is_object()) return {};
    const bj::value* id = entry.get_object().if_contains("kid");
    if (id == nullptr || !id->is_string()) return {};
    return std::string(std::string_view(id->get_string()).substr(0, 64));
}

result<key> read_key(const bj::value& entry, key_source source) {
    if (!entry.is_object()) return LETHE_ERR(errc::key_malformed);
    const bj::object& jwk = entry.get_object();
    if (source == key_source::remote) {
        if (has_private_member(jwk)) return LETHE_ERR(errc::key_private_in_remote);
        const bj::value* type = jwk.if_contains("kty");
        if (jwk.contains("k") || (type != nullptr && *type == "oct"))
            return LETHE_ERR(errc::key_symmetric_in_remote);
    }
    return key::from_json(jwk);
}

}  // namespace

result<key_set> key_set::parse(std::string_view text, key_source source) {
    const result<bj::value> parsed =
        json::parse(text, {.bytes_max = text_bytes_max, .depth_max = 8});
    if (parsed.has_error()) return LETHE_ERR(errc::not_json);
    if (!parsed->is_object()) return LETHE_ERR(errc::not_a_key);
    const bj::object& top = parsed->get_object();
    bj::array entries;
    if (const bj::value* listed = top.if_contains("keys")) {
        if (!listed->is_array()) return LETHE_ERR(errc::not_a_key);
        entries = listed->get_array();
    } else if (top.contains("kty")) {
        entries.push_back(top);
    } else {
        return LETHE_ERR(errc::not_a_key);
    }
    if (entries.size() > keys_max) return LETHE_ERR(errc::too_many_keys);

    key_set out;
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < entries.size(); ++i) {
        result<key> one = read_key(entries[i], source);
        if (one.has_value()) {
            out.keys_.push_back(*std::move(one));
            places.push_back(i);
        } else
            out.skipped_.push_back({i, readable_id(entries[i]), to_errc(one.error())});
    }
    out.drop_duplicate_ids(places);
    if (out.has_secrets() && !std::all_of(out.keys_.begin(), out.keys_.end(),
                                          [](const key& k) { return k.is_symmetric(); }))
        return LETHE_ERR(errc::mixed_keys);
    return out;
}

// J7: which of two keys of one kind and one `kid` is meant, nobody can know.
void key_set::drop_duplicate_ids(const std::vector<std::size_t>& places) {
    std::vector<bool> is_twin(keys_.size());
    for (std::size_t i = 0; i < keys_.size(); ++i)
        for (std::size_t k = 0; k < keys_.size(); ++k)
            if (i != k && !keys_[i].id().empty() && keys_[i].id() == keys_[k].id() &&
                keys_[i].type() == keys_[k].type())
                is_twin[i] = true;
    std::vector<key> kept;
    for (std::size_t i = 0; i < keys_.size(); ++i) {
        if (is_twin[i])
            skipped_.push_back({places[i], keys_[i].id().substr(0, 64), errc::key_duplicate_id});
        else
            kept.push_back(std::move(keys_[i]));
    }
    keys_ = std::move(kept);
}

bool key_set::has_private_keys() const noexcept {
    return std::any_of(keys_.begin(), keys_.end(), [](const key& k) { return k.is_private(); });
}

bool key_set::has_secrets() const noexcept {
    return std::any_of(keys_.begin(), keys_.end(), [](const key& k) { return k.is_symmetric(); });
}

bool key_set::same_keys(const key_set& other) const noexcept {
    return std::equal(keys_.begin(), keys_.end(), other.keys_.begin(), other.keys_.end(),
                      [](const key& a, const key& b) {
                          return a.id() == b.id() && a.thumbprint() == b.thumbprint() &&
                                 a.declared() == b.declared();
                      });
}

}  // namespace lethe::token
