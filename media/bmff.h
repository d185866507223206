// media/bmff.h: the boxes of ISO/IEC 14496-12: written in one pass, read within bounds.
//
// Invariant: a BoxReader never leaves its span; a box whose size contradicts its parent ends the
//            walk.
// Threads:   values.
// Errors:    BoxReader::ok() turns false.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/ids.h"

namespace lookback::media {

using FourCc = uint32_t;

constexpr FourCc MakeFourCc(std::string_view text) {
  return uint32_t{static_cast<uint8_t>(text[0])} << 24 |
         uint32_t{static_cast<uint8_t>(text[1])} << 16 |
         uint32_t{static_cast<uint8_t>(text[2])} << 8 | uint32_t{static_cast<uint8_t>(text[3])};
}

// A box being written: opened by the constructor, its size filled in by the destructor.
class BoxScope {
 public:
  BoxScope(ByteWriter& out, std::string_view type);                                   // Box
  BoxScope(ByteWriter& out, std::string_view type, uint8_t version, uint32_t flags);  // FullBox
  BoxScope(ByteWriter& out, const Uuid& extended_type);                               // `uuid`
  ~BoxScope();
  BoxScope(const BoxScope&) = delete;
  BoxScope& operator=(const BoxScope&) = delete;

 private:
  ByteWriter& out_;
  size_t start_;
};

struct Box {
  FourCc type = 0;
  Uuid extended_type;   // For `uuid` boxes.
  uint64_t offset = 0;  // Of its first byte, in the span that is walked.
  uint64_t size = 0;    // With header.
  ByteSpan body;        // After the header (and the extended type).
};

// What a walk is over: only the last box of a file may have size 0, which means "to the end".
enum class BoxLevel : uint8_t { kInside, kFile };

// Walks the boxes of a span, one level.
class BoxReader {
 public:
  explicit BoxReader(ByteSpan bytes, BoxLevel level = BoxLevel::kInside)
      : bytes_(bytes), level_(level) {}

  // Steps to the next box; false at the end, or when the bytes are not a box (ok() tells).
  bool Next(Box& box);
  bool ok() const { return ok_; }

 private:
  ByteSpan bytes_;
  BoxLevel level_;
  uint64_t position_ = 0;
  bool ok_ = true;
};

}  // namespace lookback::media
