#include "media/bmff.h"

#include <algorithm>

namespace lookback::media {
namespace {

constexpr FourCc kUuidType = MakeFourCc("uuid");

}  // namespace

BoxScope::BoxScope(ByteWriter& out, std::string_view type) : out_(out), start_(out.position()) {
  out_.U32(0);
  out_.Text(type);
}

BoxScope::BoxScope(ByteWriter& out, std::string_view type, uint8_t version, uint32_t flags)
    : BoxScope(out, type) {
  out_.U8(version);
  out_.U24(flags);
}

BoxScope::BoxScope(ByteWriter& out, const Uuid& extended_type) : BoxScope(out, "uuid") {
  out_.Raw(extended_type.bytes);
}

BoxScope::~BoxScope() { out_.PatchU32(start_, static_cast<uint32_t>(out_.position() - start_)); }

bool BoxReader::Next(Box& box) {
  if (!ok_ || position_ == bytes_.size()) return false;
  ByteReader reader(bytes_.subspan(position_));
  const uint64_t available = reader.remaining();
  uint64_t size = reader.U32();
  box.type = reader.U32();
  box.extended_type = {};
  if (size == 1) {
    size = reader.U64();
  } else if (size == 0 && level_ == BoxLevel::kFile) {
    size = available;
  }
  if (box.type == kUuidType) {
    const ByteSpan extended = reader.Take(box.extended_type.bytes.size());
    std::copy(extended.begin(), extended.end(), box.extended_type.bytes.begin());
  }
  if (!reader.ok() || size < reader.position() || size > available) {
    ok_ = false;
    return false;
  }
  box.offset = position_;
  box.size = size;
  box.body = reader.Take(size - reader.position());
  position_ += size;
  return true;
}

}  // namespace lookback::media
