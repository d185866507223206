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

bool WireReader::Varint(uint64_t& value) {
  value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const uint8_t byte = reader_.U8();
    if (!reader_.ok()) return false;
    value |= uint64_t{byte & 0x7fu} << shift;
    if ((byte & 0x80) == 0) return true;
  }
  return false;
}

bool WireReader::Next() {
  if (!ok_ || reader_.remaining() == 0) return false;
  uint64_t tag = 0;
  if (!Varint(tag) || tag >> 3 == 0 || tag >> 3 > 0x1fffffff) return Reject();
  field_ = static_cast<uint32_t>(tag >> 3);
  kind_ = static_cast<Kind>(tag & 7);
  switch (kind_) {
    case Kind::kVarint:
      return Varint(value_) || Reject();
    case Kind::kFixed64:
    case Kind::kFixed32:
      reader_.Skip(kind_ == Kind::kFixed64 ? 8 : 4);
      return reader_.ok() || Reject();
    case Kind::kBytes: {
      uint64_t size = 0;
      if (!Varint(size) || size > reader_.remaining()) return Reject();
      blob_ = reader_.Take(static_cast<size_t>(size));
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
