#include "media/jpeg.h"

namespace lookback::media {
namespace {

constexpr uint8_t kMarkerPrefix = 0xff;
constexpr size_t kLengthBytes = 2;

auto Corrupt(const char* what) { return Fail(Code::kCorrupt, std::string("JPEG: ") + what); }

}  // namespace

bool IsStartOfFrame(JpegMarker marker) {
  const auto code = static_cast<uint8_t>(marker);
  return code >= 0xc0 && code <= 0xcf && code != 0xc4 && code != 0xc8 && code != 0xcc;
}

bool JpegSegmentReader::Next(Segment& segment) {
  if (!ok_ || in_scan_ || reader_.remaining() == 0) return false;
  uint8_t code = reader_.U8();
  ok_ = code == kMarkerPrefix;
  while (ok_ && code == kMarkerPrefix && reader_.remaining() > 0) code = reader_.U8();
  if (code == kMarkerPrefix) return false;  // Only fill bytes were left.
  const size_t length = reader_.U16();
  if (!ok_ || !reader_.ok() || length < kLengthBytes) return ok_ = false;
  segment.marker = static_cast<JpegMarker>(code);
  segment.body = reader_.Take(length - kLengthBytes);
  if (!reader_.ok()) return ok_ = false;
  const uint8_t* const begin = segment.body.data() - kLengthBytes - 2;
  segment.whole = ByteSpan(begin, length + 2);
  in_scan_ = segment.marker == JpegMarker::kStartOfScan;
  return true;
}

Result<JpegSize> ParseJpegFrameHeader(ByteSpan body) {
  ByteReader in(body);
  in.Skip(1);  // Precision.
  JpegSize size;
  size.height = in.U16();
  size.width = in.U16();
  if (!in.ok() || size.width == 0 || size.height == 0) return Corrupt("a frame without size");
  return size;
}

Result<JpegSize> ParseJpegSize(ByteSpan picture) {
  ByteReader in(picture);
  if (in.U8() != kMarkerPrefix || in.U8() != static_cast<uint8_t>(JpegMarker::kStartOfImage)) {
    return Corrupt("it does not begin as a picture");
  }
  JpegSegmentReader segments(picture.subspan(2));
  JpegSegmentReader::Segment segment;
  while (segments.Next(segment)) {
    if (IsStartOfFrame(segment.marker)) return ParseJpegFrameHeader(segment.body);
  }
  return Corrupt("it has no frame header");
}

TrackConfig MakeMjpegTrack(JpegSize size) {
  TrackConfig track;
  track.codec = Codec::kMjpeg;
  track.width = size.width;
  track.height = size.height;
  return track;
}

}  // namespace lookback::media
