#include "base/checksum.h"

#include <openssl/evp.h>
#if defined(__x86_64__)
#include <xxh_x86dispatch.h>  // XXH3 by the widest vectors that the processor has.
#else
#include <xxhash.h>
#endif

#include <cstring>

#include "base/result.h"

namespace lookback {
namespace {

// XXH3 states must be aligned to 64 bytes, which XXH3_createState sees to.
struct FreeXxh {
  void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
};

Xxh128 Canonical(XXH128_hash_t hash) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, hash);
  Xxh128 out;
  std::memcpy(out.data(), canonical.digest, out.size());
  return out;
}

}  // namespace

uint64_t Xxh3_64(ByteSpan bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

Xxh128 Xxh3_128(ByteSpan bytes) { return Canonical(XXH3_128bits(bytes.data(), bytes.size())); }

Sha256Digest Sha256(ByteSpan bytes) {
  Sha256Hasher hasher;
  hasher.Update(bytes);
  return hasher.Finish();
}

struct Xxh64Hasher::State {
  std::unique_ptr<XXH3_state_t, FreeXxh> xxh{XXH3_createState()};
};

Xxh64Hasher::Xxh64Hasher() : state_(std::make_unique<State>()) { Reset(); }
Xxh64Hasher::~Xxh64Hasher() = default;
Xxh64Hasher::Xxh64Hasher(Xxh64Hasher&&) noexcept = default;
Xxh64Hasher& Xxh64Hasher::operator=(Xxh64Hasher&&) noexcept = default;
void Xxh64Hasher::Update(ByteSpan bytes) {
  XXH3_64bits_update(state_->xxh.get(), bytes.data(), bytes.size());
}
uint64_t Xxh64Hasher::Digest() const { return XXH3_64bits_digest(state_->xxh.get()); }
void Xxh64Hasher::Reset() { XXH3_64bits_reset(state_->xxh.get()); }

struct Xxh128Hasher::State {
  std::unique_ptr<XXH3_state_t, FreeXxh> xxh{XXH3_createState()};
};

Xxh128Hasher::Xxh128Hasher() : state_(std::make_unique<State>()) {
  XXH3_128bits_reset(state_->xxh.get());
}
Xxh128Hasher::~Xxh128Hasher() = default;
Xxh128Hasher::Xxh128Hasher(Xxh128Hasher&&) noexcept = default;
Xxh128Hasher& Xxh128Hasher::operator=(Xxh128Hasher&&) noexcept = default;
void Xxh128Hasher::Update(ByteSpan bytes) {
  XXH3_128bits_update(state_->xxh.get(), bytes.data(), bytes.size());
}
Xxh128 Xxh128Hasher::Digest() const { return Canonical(XXH3_128bits_digest(state_->xxh.get())); }

struct Sha256Hasher::State {
  struct Free {
    void operator()(EVP_MD_CTX* finished) const { EVP_MD_CTX_free(finished); }
  };
  std::unique_ptr<EVP_MD_CTX, Free> context{EVP_MD_CTX_new()};
};

Sha256Hasher::Sha256Hasher() : state_(std::make_unique<State>()) {
  LB_CHECK(EVP_DigestInit_ex(state_->context.get(), EVP_sha256(), nullptr) == 1);
}
Sha256Hasher::~Sha256Hasher() = default;
Sha256Hasher::Sha256Hasher(Sha256Hasher&&) noexcept = default;
Sha256Hasher& Sha256Hasher::operator=(Sha256Hasher&&) noexcept = default;
void Sha256Hasher::Update(ByteSpan bytes) {
  LB_CHECK(EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size()) == 1);
}
Sha256Digest Sha256Hasher::Finish() {
  Sha256Digest digest;
  unsigned length = 0;
  LB_CHECK(EVP_DigestFinal_ex(state_->context.get(), digest.data(), &length) == 1);
  return digest;
}

}  // namespace lookback
