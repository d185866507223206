// base/checksum.h: XXH3 against rot, SHA-256 against people.
//
// Invariant: digests depend on the bytes alone, not on how they were cut into updates.
// Threads:   one hasher, one thread.
// Errors:    none; running out of memory ends the process.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/bytes.h"

namespace lookback {

using Xxh128 = std::array<uint8_t, 16>;  // Canonical (big-endian) form.
using Sha256Digest = std::array<uint8_t, 32>;

inline constexpr size_t kXxh3Bytes = 8;
uint64_t Xxh3_64(ByteSpan bytes);
Xxh128 Xxh3_128(ByteSpan bytes);
Sha256Digest Sha256(ByteSpan bytes);

class Xxh64Hasher {
 public:
  Xxh64Hasher();
  ~Xxh64Hasher();
  Xxh64Hasher(Xxh64Hasher&&) noexcept;
  Xxh64Hasher& operator=(Xxh64Hasher&&) noexcept;

  void Update(ByteSpan bytes);
  uint64_t Digest() const;  // Of all so far; more may follow.
  void Reset();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

class Xxh128Hasher {
 public:
  Xxh128Hasher();
  ~Xxh128Hasher();
  Xxh128Hasher(Xxh128Hasher&&) noexcept;
  Xxh128Hasher& operator=(Xxh128Hasher&&) noexcept;

  void Update(ByteSpan bytes);
  Xxh128 Digest() const;  // Of all so far; more may follow.

 private:
  struct State;
  std::unique_ptr<State> state_;
};

class Sha256Hasher {
 public:
  Sha256Hasher();
  ~Sha256Hasher();
  Sha256Hasher(Sha256Hasher&&) noexcept;
  Sha256Hasher& operator=(Sha256Hasher&&) noexcept;

  void Update(ByteSpan bytes);
  Sha256Digest Finish();  // Once, at the end.

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lookback
