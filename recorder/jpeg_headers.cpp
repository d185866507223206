#include "recorder/jpeg_headers.h"

#include <algorithm>
#include <vector>

namespace lookback::recorder {
namespace {

using media::JpegMarker;
using Segment = media::JpegSegmentReader::Segment;

// clang-format off
// ISO/IEC 10918-1 annex K, in zigzag order.
constexpr std::array<uint8_t, kJpegTablesBytes> kQuantizationTables = {
    // Table K.1: luminance.
    16, 11, 12, 14, 12, 10, 16, 14, 13, 14, 18, 17, 16, 19, 24, 40, 26, 24, 22, 22, 24, 49, 35,
    37, 29, 40, 58, 51, 61, 60, 57, 51, 56, 55, 64, 72, 92, 78, 64, 68, 87, 69, 55, 56, 80, 109,
    81, 87, 95, 98, 103, 104, 103, 62, 77, 113, 121, 112, 100, 120, 92, 101, 103, 99,
    // Table K.2: chrominance.
    17, 18, 18, 24, 21, 24, 47, 26, 26, 47, 99, 66, 56, 66, 99, 99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
};

// The content of one segment that defines all four.
constexpr std::array<uint8_t, 416> kHuffmanTables = {
    // Table K.3: DC of luminance: class and id, codes of each length, values.
    0x00, 0x00, 0x01, 0x05, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b,
    // Table K.5: AC of luminance: class and id, codes of each length, values.
    0x10, 0x00, 0x02, 0x01, 0x03, 0x03, 0x02, 0x04, 0x03, 0x05, 0x05, 0x04, 0x04, 0x00, 0x00,
    0x01, 0x7d, 0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13,
    0x51, 0x61, 0x07, 0x22, 0x71, 0x14, 0x32, 0x81, 0x91, 0xa1, 0x08, 0x23, 0x42, 0xb1, 0xc1,
    0x15, 0x52, 0xd1, 0xf0, 0x24, 0x33, 0x62, 0x72, 0x82, 0x09, 0x0a, 0x16, 0x17, 0x18, 0x19,
    0x1a, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x43,
    0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a,
    0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79,
    0x7a, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97,
    0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4,
    0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca,
    0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe1, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6,
    0xe7, 0xe8, 0xe9, 0xea, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa,
    // Table K.4: DC of chrominance: class and id, codes of each length, values.
    0x01, 0x00, 0x03, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b,
    // Table K.6: AC of chrominance: class and id, codes of each length, values.
    0x11, 0x00, 0x02, 0x01, 0x02, 0x04, 0x04, 0x03, 0x04, 0x07, 0x05, 0x04, 0x04, 0x00, 0x01,
    0x02, 0x77, 0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51,
    0x07, 0x61, 0x71, 0x13, 0x22, 0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xa1, 0xb1, 0xc1, 0x09,
    0x23, 0x33, 0x52, 0xf0, 0x15, 0x62, 0x72, 0xd1, 0x0a, 0x16, 0x24, 0x34, 0xe1, 0x25, 0xf1,
    0x17, 0x18, 0x19, 0x1a, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a,
    0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59,
    0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78,
    0x79, 0x7a, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95,
    0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2,
    0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8,
    0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe2, 0xe3, 0xe4, 0xe5,
    0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa,
};
// clang-format on

void WriteSegment(JpegMarker marker, ByteSpan body, ByteWriter& out) {
  constexpr size_t kLengthBytes = 2;
  out.U8(0xff);
  out.U8(static_cast<uint8_t>(marker));
  out.U16(static_cast<uint16_t>(body.size() + kLengthBytes));
  out.Raw(body);
}

Bytes FrameHeader(const JpegHeaders& headers) {
  constexpr uint8_t kHalfWidth = 0x21, kHalfWidthAndHeight = 0x22, kWhole = 0x11;
  Bytes body;
  ByteWriter out(body);
  out.U8(8);  // Bits of a sample.
  out.U16(headers.size.height);
  out.U16(headers.size.width);
  out.U8(3);
  // Of each component: id, sampling, quantization table.
  out.U8(1);
  out.U8(headers.half_height_chroma ? kHalfWidthAndHeight : kHalfWidth);
  out.U8(0);
  for (const uint8_t id : {2, 3}) {
    out.U8(id);
    out.U8(kWhole);
    out.U8(1);
  }
  return body;
}

// One that fits a frame header; empty when that makes no sense.
Bytes ScanHeader(ByteSpan frame_header) {
  ByteReader in(frame_header);
  in.Skip(5);
  const uint8_t components = in.U8();
  Bytes body;
  if (components != 1 && components != 3) return body;
  ByteWriter out(body);
  out.U8(components);
  for (uint8_t i = 0; i < components; ++i) {
    out.U8(in.U8());
    out.U8(i == 0 ? 0x00 : 0x11);  // Huffman tables for DC and AC.
    in.Skip(2);
  }
  out.U8(0);  // All 64 coefficients,
  out.U8(63);
  out.U8(0);  // with all their bits.
  return in.ok() ? body : Bytes();
}

void WriteQuantizationTables(ByteSpan tables, ByteWriter& out) {
  Bytes body;
  for (uint8_t id = 0; id < 2; ++id) {
    body.push_back(id);
    // A camera that gives one table means it for all components.
    const ByteSpan table =
        tables.size() < kJpegTablesBytes ? tables : tables.subspan(id * kJpegTableBytes);
    body.insert(body.end(), table.begin(), table.begin() + kJpegTableBytes);
  }
  WriteSegment(JpegMarker::kQuantizationTables, body, out);
}

// Baseline or extended sequential, Huffman-coded: the only frames of RFC 2435.
bool IsUsableFrame(JpegMarker marker) {
  return marker == JpegMarker::kStartOfFrame || static_cast<uint8_t>(marker) == 0xc1;
}

}  // namespace

std::array<uint8_t, kJpegTablesBytes> JpegTablesOfQuality(uint8_t quality) {
  const int factor = std::clamp<int>(quality, 1, 99);
  const int scale = factor < 50 ? 5'000 / factor : 200 - 2 * factor;
  std::array<uint8_t, kJpegTablesBytes> tables{};
  std::transform(kQuantizationTables.begin(), kQuantizationTables.end(), tables.begin(),
                 [scale](uint8_t base) {
                   return static_cast<uint8_t>(std::clamp((base * scale + 50) / 100, 1, 255));
                 });
  return tables;
}

Status WriteJpegHeaders(const JpegHeaders& headers, Bytes& picture) {
  std::vector<Segment> given;
  media::JpegSegmentReader reader(headers.given);
  Segment segment;
  while (reader.Next(segment) && segment.marker != JpegMarker::kStartOfScan) {
    given.push_back(segment);
  }
  const auto has = [&given](JpegMarker marker) {
    return std::any_of(given.begin(), given.end(),
                       [marker](const Segment& one) { return one.marker == marker; });
  };
  const auto is_frame = [](const Segment& one) { return media::IsStartOfFrame(one.marker); };
  const auto frame = std::find_if(given.begin(), given.end(), is_frame);
  if (frame != given.end() &&
      (!IsUsableFrame(frame->marker) || std::any_of(frame + 1, given.end(), is_frame))) {
    return Fail(Code::kCorrupt, "JPEG: not one frame header of sequential Huffman coding");
  }
  const Bytes own_frame = frame == given.end() ? FrameHeader(headers) : Bytes();
  const ByteSpan frame_header = frame == given.end() ? ByteSpan(own_frame) : frame->body;
  LB_TRY(media::ParseJpegFrameHeader(frame_header));
  const Bytes scan = ScanHeader(frame_header);
  if (scan.empty()) return Fail(Code::kCorrupt, "JPEG: a frame header that makes no sense");

  ByteWriter out(picture);
  out.U8(0xff);
  out.U8(static_cast<uint8_t>(JpegMarker::kStartOfImage));
  for (const Segment& one : given) out.Raw(one.whole);
  if (!has(JpegMarker::kQuantizationTables)) WriteQuantizationTables(headers.tables, out);
  if (frame == given.end()) WriteSegment(JpegMarker::kStartOfFrame, own_frame, out);
  if (!has(JpegMarker::kHuffmanTables)) {
    WriteSegment(JpegMarker::kHuffmanTables, kHuffmanTables, out);
  }
  if (headers.restart_interval > 0 && !has(JpegMarker::kRestartInterval)) {
    Bytes body;
    ByteWriter(body).U16(headers.restart_interval);
    WriteSegment(JpegMarker::kRestartInterval, body, out);
  }
  WriteSegment(JpegMarker::kStartOfScan, scan, out);
  return Ok();
}

}  // namespace lookback::recorder
