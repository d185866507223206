#include "base/wire.h"

namespace lookback {

void WireWriter::Varint(uint64_t value) {
  while (value >= 0x80) {
    out_.push_back(static_cast<uint8_t>(value | 0x80));
    value >>= 7;
  }
  out_.push_back(static_cast<uint8_t>(value));
}

void WireWriter::Unsigned(uint32_t field, uint64_t value) {
  if (value == 0) return;
  Varint(uint64_t{field} << 3);
  Varint(value);
}

void WireWriter::Signed(uint32_t field, int64_t value) {
  Unsigned(field, (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63));
}

void WireWriter::Blob(uint32_t field, ByteSpan value) {
  if (!value.empty()) Element(field, value);
}

void WireWriter::Element(uint32_t field, ByteSpan value) {
  Varint(uint64_t{field} << 3 | 2);
  Varint(value.size());
  out_.insert(out_.end(), value.begin(), value.end());
}

bool WireReader::LongVarint(uint64_t& value) {
  value = 0;
  for (int shift = 0; shift < 64 && at_ != end_; shift += 7) {
    const uint8_t byte = *at_++;
    value |= uint64_t{byte & 0x7fu} << shift;
    if ((byte & 0x80) == 0) return true;
  }
  return false;
}

bool WireReader::Skip(size_t count) {
  if (count > remaining()) return Reject();
  at_ += count;
  return true;
}

bool WireReader::Next() {
  if (!ok_ || at_ == end_) return false;
  uint64_t tag = 0;
  if (!Varint(tag) || tag >> 3 == 0 || tag >> 3 > 0x1fffffff) return Reject();
  field_ = static_cast<uint32_t>(tag >> 3);
  kind_ = static_cast<Kind>(tag & 7);
  switch (kind_) {
    case Kind::kVarint:
      return Varint(value_) || Reject();
    case Kind::kFixed64:
      return Skip(8);
    case Kind::kFixed32:
      return Skip(4);
    case Kind::kBytes: {
      uint64_t size = 0;
      if (!Varint(size) || size > remaining()) return Reject();
      blob_ = ByteSpan(at_, static_cast<size_t>(size));
      at_ += size;
      return true;
    }
  }
  return Reject();
}

uint64_t WireReader::Unsigned() {
  if (kind_ != Kind::kVarint) return static_cast<uint64_t>(Reject());
  return value_;
}

int64_t WireReader::Signed() {
  const uint64_t raw = Unsigned();
  return static_cast<int64_t>(raw >> 1) ^ -static_cast<int64_t>(raw & 1);
}

ByteSpan WireReader::Blob() {
  if (kind_ != Kind::kBytes) {
    Reject();
    return {};
  }
  return blob_;
}

}  // namespace lookback
