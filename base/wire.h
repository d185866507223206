// base/wire.h: the protobuf wire format, for what is kept for years.
//
// Invariant: fields are written in rising order, defaults (0, empty) are left out, so equal values
//            have equal bytes. A reader skips fields that it does not know: old builds read new
//            records. `protoc --decode_raw` shows any record; docs/format.md has the field numbers.
// Threads:   values.
// Errors:    WireReader::ok() turns false on malformed input and stays so.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"

namespace lookback {

class WireWriter {
 public:
  explicit WireWriter(Bytes& out) : out_(out) {}

  void Unsigned(uint32_t field, uint64_t value);  // uint64; left out when 0.
  void Signed(uint32_t field, int64_t value);     // sint64 (zigzag); left out when 0.
  void Blob(uint32_t field, ByteSpan value);      // bytes; left out when empty.
  void Text(uint32_t field, std::string_view value) { Blob(field, AsBytes(value)); }
  // As Blob, but written when empty too: an element of a repeated field.
  void Element(uint32_t field, ByteSpan value);

 private:
  void Varint(uint64_t value);
  Bytes& out_;
};

class WireReader {
 public:
  explicit WireReader(ByteSpan bytes) : at_(bytes.data()), end_(at_ + bytes.size()) {}

  // Steps to the next field; false at the end or on malformed input.
  bool Next();
  bool ok() const { return ok_; }

  uint32_t field() const { return field_; }
  // The present field's value; zero or empty when its wire type is another (ok() turns false).
  uint64_t Unsigned();
  int64_t Signed();
  ByteSpan Blob();
  std::string_view Text() { return AsText(Blob()); }

 private:
  enum class Kind : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

  size_t remaining() const { return static_cast<size_t>(end_ - at_); }
  bool Varint(uint64_t& value) {
    if (at_ == end_ || *at_ >= 0x80) return LongVarint(value);
    value = *at_++;
    return true;
  }
  bool LongVarint(uint64_t& value);
  bool Skip(size_t count);
  bool Reject() {
    ok_ = false;
    return false;
  }

  const uint8_t* at_;
  const uint8_t* const end_;
  bool ok_ = true;
  uint32_t field_ = 0;
  Kind kind_ = Kind::kVarint;
  uint64_t value_ = 0;
  ByteSpan blob_;
};

}  // namespace lookback
