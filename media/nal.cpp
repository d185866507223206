#include "media/nal.h"

#include <cstring>

namespace lookback::media {
namespace {

// Where the next 00 00 01 begins at or after `from`, or the end.
size_t FindStartCode(ByteSpan stream, size_t from) {
  while (from + 3 <= stream.size()) {
    const void* found = std::memchr(stream.data() + from + 2, 1, stream.size() - from - 2);
    if (found == nullptr) break;
    const size_t one = static_cast<size_t>(static_cast<const uint8_t*>(found) - stream.data());
    if (stream[one - 1] == 0 && stream[one - 2] == 0) return one - 2;
    from = one - 1;
  }
  return stream.size();
}

}  // namespace

AnnexBReader::AnnexBReader(ByteSpan stream) : stream_(stream) {
  const size_t code = FindStartCode(stream, 0);
  position_ = code == stream.size() ? code : code + 3;
}

bool AnnexBReader::Next(ByteSpan& nal) {
  while (position_ < stream_.size()) {
    const size_t code = FindStartCode(stream_, position_);
    size_t end = code;
    while (end > position_ && stream_[end - 1] == 0) --end;
    nal = stream_.subspan(position_, end - position_);
    position_ = code == stream_.size() ? code : code + 3;
    if (!nal.empty()) return true;
  }
  return false;
}

}  // namespace lookback::media
