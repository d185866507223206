// base/bytes.h: reading and writing integers in big-endian order, within bounds.
//
// Invariant: a ByteReader never reads past its span. After one short read it stays failed, every
//            further read gives zeros, and ok() tells; parsers check once at the end of a piece.
// Threads:   values.
// Errors:    by ok(); the caller knows what it was reading and says so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lookback {

using Bytes = std::vector<uint8_t>;
using ByteSpan = std::span<const uint8_t>;

inline ByteSpan AsBytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

inline std::string_view AsText(ByteSpan bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

class ByteReader {
 public:
  explicit ByteReader(ByteSpan bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }
  size_t position() const { return position_; }
  size_t remaining() const { return bytes_.size() - position_; }

  uint8_t U8() { return static_cast<uint8_t>(Integer(1)); }
  uint16_t U16() { return static_cast<uint16_t>(Integer(2)); }
  uint32_t U24() { return static_cast<uint32_t>(Integer(3)); }
  uint32_t U32() { return static_cast<uint32_t>(Integer(4)); }
  uint64_t U64() { return Integer(8); }
  int32_t I32() { return static_cast<int32_t>(U32()); }
  int64_t I64() { return static_cast<int64_t>(U64()); }

  // The next `count` bytes, in place; an empty span on a short read.
  ByteSpan Take(size_t count) {
    if (!ok_ || remaining() < count) {
      ok_ = false;
      return {};
    }
    const ByteSpan taken = bytes_.subspan(position_, count);
    position_ += count;
    return taken;
  }
  void Skip(size_t count) { (void)Take(count); }

 private:
  uint64_t Integer(size_t width) {
    const ByteSpan raw = Take(width);
    uint64_t value = 0;
    for (const uint8_t byte : raw) value = value << 8 | byte;
    return value;
  }

  ByteSpan bytes_;
  size_t position_ = 0;
  bool ok_ = true;
};

// Appends to a buffer that the caller owns.
class ByteWriter {
 public:
  explicit ByteWriter(Bytes& out) : out_(out) {}

  size_t position() const { return out_.size(); }

  void U8(uint8_t v) { out_.push_back(v); }
  void U16(uint16_t v) { Integer(v, 2); }
  void U24(uint32_t v) { Integer(v, 3); }
  void U32(uint32_t v) { Integer(v, 4); }
  void U64(uint64_t v) { Integer(v, 8); }
  void I32(int32_t v) { U32(static_cast<uint32_t>(v)); }
  void I64(int64_t v) { U64(static_cast<uint64_t>(v)); }
  void Raw(ByteSpan bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }
  void Text(std::string_view text) { Raw(AsBytes(text)); }
  void Zeros(size_t count) { out_.insert(out_.end(), count, 0); }

  // Overwrites four bytes written before: box sizes are known only at the end.
  void PatchU32(size_t at, uint32_t v) {
    for (size_t i = 0; i < 4; ++i) out_[at + i] = static_cast<uint8_t>(v >> (24 - 8 * i));
  }

 private:
  void Integer(uint64_t v, size_t width) {
    for (size_t i = width; i-- > 0;) out_.push_back(static_cast<uint8_t>(v >> (8 * i)));
  }

  Bytes& out_;
};

std::string HexEncode(ByteSpan bytes);

// Lower or upper case, no separators; false when `text` is not hex of whole bytes.
bool HexDecode(std::string_view text, Bytes& out);

std::string Base64Encode(ByteSpan bytes);

// RFC 4648 §4, padding optional (SDP leaves it out at times); false on any other character.
bool Base64Decode(std::string_view text, Bytes& out);

}  // namespace lookback
