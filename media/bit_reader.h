// media/bit_reader.h: bits and Exp-Golomb codes of a NAL unit (ISO/IEC 14496-10 §7.2, §9.1).
//
// Invariant: emulation prevention bytes (the 3 of 00 00 03) are passed over in a NAL unit, kept in
//            other bytes, and no read leaves the span. After one short read it stays failed and
//            every further read gives zero.
// Threads:   values.
// Errors:    ok() turns false.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace lookback::media {

class BitReader {
 public:
  enum class Source : uint8_t { kNalUnit, kPlainBytes };

  explicit BitReader(ByteSpan bytes, Source source = Source::kNalUnit)
      : bytes_(bytes), escaped_(source == Source::kNalUnit) {}

  bool ok() const { return ok_; }

  uint32_t Bit() {
    if (bits_left_ == 0 && !LoadByte()) return 0;
    --bits_left_;
    return current_ >> bits_left_ & 1;
  }
  bool Flag() { return Bit() != 0; }

  // u(n), n at most 32.
  uint32_t Bits(int count) {
    uint32_t value = 0;
    while (count-- > 0) value = value << 1 | Bit();
    return value;
  }
  void Skip(uint32_t count) {
    while (count-- > 0 && ok_) (void)Bit();
  }

  // ue(v).
  uint32_t Unsigned() {
    int zeros = 0;
    while (ok_ && !Flag()) {
      if (++zeros > 31) ok_ = false;
    }
    if (!ok_ || zeros == 0) return 0;
    return (uint32_t{1} << zeros) - 1 + Bits(zeros);
  }

  // se(v).
  int32_t Signed() {
    const uint32_t code = Unsigned();
    const int64_t half = (int64_t{code} + 1) / 2;
    return static_cast<int32_t>(code % 2 == 1 ? half : -half);
  }

 private:
  bool LoadByte() {
    if (ok_ && escaped_ && zeros_ >= 2 && position_ < bytes_.size() && bytes_[position_] == 3) {
      ++position_;
      zeros_ = 0;
    }
    if (!ok_ || position_ >= bytes_.size()) {
      ok_ = false;
      return false;
    }
    current_ = bytes_[position_++];
    zeros_ = current_ == 0 ? zeros_ + 1 : 0;
    bits_left_ = 8;
    return true;
  }

  ByteSpan bytes_;
  bool escaped_;
  size_t position_ = 0;
  uint32_t current_ = 0;
  int bits_left_ = 0;
  int zeros_ = 0;
  bool ok_ = true;
};

}  // namespace lookback::media
