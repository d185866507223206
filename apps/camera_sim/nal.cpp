#include "apps/camera_sim/nal.h"

namespace lookback::camera_sim {
namespace {

NalKind KindOfH265(uint8_t type) {
  constexpr uint8_t kFirstIrap = 16, kLastIrap = 23, kFirstAfterSlices = 32;
  if (type >= kFirstIrap && type <= kLastIrap) return NalKind::kSyncSlice;
  if (type < kFirstAfterSlices) return NalKind::kSlice;
  switch (type) {
    case 32:
      return NalKind::kVps;
    case 33:
      return NalKind::kSps;
    case 34:
      return NalKind::kPps;
    case 35:
      return NalKind::kDelimiter;
    case 39:
      return NalKind::kSei;  // In front of the slices; 40 is behind them.
    default:
      return NalKind::kOther;
  }
}

}  // namespace

NalKind KindOf(VideoCodec codec, ByteSpan nal) {
  if (codec == VideoCodec::kH265) return KindOfH265(nal[0] >> 1 & 63);
  switch (NalTypeOf(nal)) {
    case kNalIdrSlice:
      return NalKind::kSyncSlice;
    case kNalAccessUnitDelimiter:
      return NalKind::kDelimiter;
    case kNalSps:
      return NalKind::kSps;
    case kNalPps:
      return NalKind::kPps;
    case kNalSei:
      return NalKind::kSei;
    default:
      return NalTypeOf(nal) >= kNalSlice && NalTypeOf(nal) < kNalIdrSlice ? NalKind::kSlice
                                                                          : NalKind::kOther;
  }
}

std::vector<ByteSpan> SplitAnnexB(ByteSpan stream) {
  std::vector<ByteSpan> nals;
  size_t begin = stream.size();  // Where the current NAL unit starts; nothing before a start code.
  const auto finish = [&](size_t end) {
    while (end > begin && stream[end - 1] == 0) --end;
    if (end > begin) nals.push_back(stream.subspan(begin, end - begin));
  };
  for (size_t i = 0; i + 3 <= stream.size();) {
    if (stream[i] == 0 && stream[i + 1] == 0 && stream[i + 2] == 1) {
      if (begin < i) finish(i);
      begin = i + 3;
      i += 3;
    } else {
      ++i;
    }
  }
  finish(stream.size());
  return nals;
}

Result<std::vector<ByteSpan>> SplitLengthPrefixed(ByteSpan sample, size_t length_bytes) {
  if (length_bytes < 1 || length_bytes > 4) {
    return Fail(Code::kCorrupt, "a NAL length of " + std::to_string(length_bytes) + " bytes");
  }
  std::vector<ByteSpan> nals;
  ByteReader reader(sample);
  while (reader.remaining() > 0) {
    size_t length = 0;
    for (size_t i = 0; i < length_bytes; ++i) length = length << 8 | reader.U8();
    const ByteSpan nal = reader.Take(length);
    if (!reader.ok()) {
      return Fail(Code::kCorrupt, "a NAL unit of " + std::to_string(length) +
                                      " bytes runs past its sample of " +
                                      std::to_string(sample.size()));
    }
    if (!nal.empty()) nals.push_back(nal);
  }
  return nals;
}

void AppendLengthPrefixed(ByteSpan nal, Bytes& out) {
  ByteWriter writer(out);
  writer.U32(static_cast<uint32_t>(nal.size()));
  writer.Raw(nal);
}

Bytes Escape(ByteSpan rbsp) {
  Bytes out;
  out.reserve(rbsp.size() + rbsp.size() / 16);
  int zeros = 0;
  for (const uint8_t byte : rbsp) {
    if (zeros == 2 && byte <= 3) {
      out.push_back(3);
      zeros = 0;
    }
    out.push_back(byte);
    zeros = byte == 0 ? zeros + 1 : 0;
  }
  return out;
}

Bytes Unescape(ByteSpan escaped) {
  Bytes out;
  out.reserve(escaped.size());
  int zeros = 0;
  for (const uint8_t byte : escaped) {
    if (zeros >= 2 && byte == 3) {
      zeros = 0;
      continue;
    }
    out.push_back(byte);
    zeros = byte == 0 ? zeros + 1 : 0;
  }
  return out;
}

}  // namespace lookback::camera_sim
