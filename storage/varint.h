// storage/varint.h: integers in as many bytes as they need: seven bits a byte, low ones first
// (LEB128, as protobuf has them), signed ones by zigzag.
//
// Invariant: a reader never leaves its span and takes at most ten bytes a value.
// Threads:   values.
// Errors:    VarintReader::ok() turns false and stays so; values read are then 0.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace lookback::storage {

class VarintWriter {
 public:
  explicit VarintWriter(Bytes& out) : out_(out) {}

  void Unsigned(uint64_t value) {
    while (value >= 0x80) {
      out_.push_back(static_cast<uint8_t>(value | 0x80));
      value >>= 7;
    }
    out_.push_back(static_cast<uint8_t>(value));
  }
  void Signed(int64_t value) {
    Unsigned(static_cast<uint64_t>(value) << 1 ^ static_cast<uint64_t>(value >> 63));
  }

 private:
  Bytes& out_;
};

class VarintReader {
 public:
  explicit VarintReader(ByteSpan bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }
  size_t position() const { return position_; }
  size_t remaining() const { return bytes_.size() - position_; }

  uint64_t Unsigned() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (!ok_ || position_ == bytes_.size()) break;
      const uint8_t byte = bytes_[position_++];
      value |= uint64_t{byte & 0x7fu} << shift;
      if ((byte & 0x80) == 0) return value;
    }
    ok_ = false;
    return 0;
  }
  int64_t Signed() {
    const uint64_t value = Unsigned();
    return static_cast<int64_t>(value >> 1 ^ (~(value & 1) + 1));
  }

 private:
  ByteSpan bytes_;
  size_t position_ = 0;
  bool ok_ = true;
};

}  // namespace lookback::storage
