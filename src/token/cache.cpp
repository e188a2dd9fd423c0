#include "token/cache.hpp"

#include "base/bytes.hpp"
#include "token/openssl.hpp"

#include <cstring>

namespace lethe::token {
namespace {

// What one entry costs beside its claims: the slot, the index's node and bucket, the shared count.
constexpr std::size_t entry_overhead = 256;

}  // namespace

digester::digester() : context_(EVP_MD_CTX_new()) {
    LETHE_ASSERT(context_ != nullptr);
}
digester::~digester() {
    EVP_MD_CTX_free(context_);
}

// Not libsodium's, which does without the processor's own SHA instructions: several times as slow.
digest digester::operator()(std::string_view token) noexcept {
    digest out{};
    const bool done =
        EVP_DigestInit_ex2(context_, detail::hash_of(algorithm::es256), nullptr) == 1 &&
        EVP_DigestUpdate(context_, token.data(), token.size()) == 1 &&
        EVP_DigestFinal_ex(context_, out.data(), nullptr) == 1;
    // A digest that is not one would let tokens be taken for each other.
    LETHE_ASSERT(done);
    return out;
}

digest digest_of(std::string_view token) {
    return digester{}(token);
}

std::string fingerprint(const digest& of) {
    return to_hex({reinterpret_cast<const char*>(of.data()), 8});
}

// The digest is as good as random already.
std::size_t cache::key_hash::operator()(const cache_key& key) const noexcept {
    std::size_t out = 0;
    std::memcpy(&out, key.token.data(), sizeof out);
    return out ^ key.provider;
}

std::shared_ptr<const claims> cache::find(const cache_key& key, std::uint64_t generation,
                                          steady_time now) {
    const auto found = index_.find(key);
    if (found == index_.end()) return nullptr;
    entry& one = slots_[found->second];
    if (one.generation != generation || now >= one.until) {
        drop(found->second);
        return nullptr;
    }
    one.used = true;
    return one.value;
}

void cache::put(const cache_key& key, std::uint64_t generation, steady_time now,
                std::shared_ptr<const claims> verified) {
    const std::size_t size = verified->bytes() + entry_overhead;
    if (const auto old = index_.find(key); old != index_.end()) drop(old->second);
    // One token must not push out all others.
    if (size > bounds_.bytes_max / 8) return;
    make_room(size);
    std::uint32_t slot = 0;
    if (free_.empty()) {
        slot = static_cast<std::uint32_t>(slots_.size());
        slots_.emplace_back();
    } else {
        slot = free_.back();
        free_.pop_back();
    }
    slots_[slot] = {key, generation, now + bounds_.ttl, size, std::move(verified), false};
    index_.emplace(key, slot);
    bytes_ += size;
}

// CLOCK: the hand goes round; who was used since it last came by is spared once.
void cache::make_room(std::size_t size) {
    while (bytes_ + size > bounds_.bytes_max) {
        LETHE_ASSERT(!index_.empty());
        hand_ = (hand_ + 1) % slots_.size();
        entry& one = slots_[hand_];
        if (!one.value) continue;
        if (one.used) {
            one.used = false;
            continue;
        }
        drop(static_cast<std::uint32_t>(hand_));
        ++counts_.evictions;
    }
}

void cache::drop(std::uint32_t slot) noexcept {
    entry& one = slots_[slot];
    index_.erase(one.key);
    bytes_ -= one.bytes;
    one = {};
    free_.push_back(slot);
}

void cache::clear() noexcept {
    index_.clear();
    slots_.clear();
    free_.clear();
    hand_ = 0;
    bytes_ = 0;
}

}  // namespace lethe::token
