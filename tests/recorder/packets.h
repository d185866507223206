// tests/recorder/packets.h: the bytes that a camera would send, written out by hand.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "media/sample.h"
#include "recorder/depacketizer.h"
#include "recorder/rtp.h"

namespace lookback::test {

// The parameter sets of RFC 6184 §8.3, and others of the same size at another level.
inline const std::string kSpropSets = "Z0IACpZTBYmI,aMljiA==";
inline const std::string kOtherSpropSets = "Z0IAC5ZTBYmI,aMljiA==";

// H.265, 320x180, by x265.
inline const std::string kH265Vps = "QAEMAf//AWAAAAMAkAAAAwAAAwA8lZgJ";
inline const std::string kH265Sps = "QgEBAWAAAAMAkAAAAwAAAwA8oAoIC595ZWaSTK8BaAgAAAMACAAAAwDIQA==";
inline const std::string kH265Pps = "RAHBcrRiQA==";

inline Bytes Unbase64(const std::string& text) {
  Bytes bytes;
  Base64Decode(text, bytes);
  return bytes;
}
inline Bytes Sps() { return Unbase64("Z0IACpZTBYmI"); }
inline Bytes OtherSps() { return Unbase64("Z0IAC5ZTBYmI"); }
inline Bytes Pps() { return Unbase64("aMljiA=="); }
inline Bytes H265Vps() { return Unbase64(kH265Vps); }
inline Bytes H265Sps() { return Unbase64(kH265Sps); }
inline Bytes H265Pps() { return Unbase64(kH265Pps); }

// A slice of H.265 of that NAL unit type.
inline Bytes H265Nal(uint8_t type, size_t bytes, bool begins_picture = true) {
  Bytes nal = {static_cast<uint8_t>(type << 1), 1, static_cast<uint8_t>(begins_picture ? 0xa0 : 0)};
  nal.resize(bytes, 0x55);
  return nal;
}

// Slices whose heads say first_mb_in_slice 0 (or not) and slice type I or P.
inline Bytes Idr(size_t bytes = 40) {
  Bytes nal = {0x65, 0x88, 0x84};
  nal.resize(bytes, 0x55);
  return nal;
}
inline Bytes Predicted(size_t bytes = 20) {
  Bytes nal = {0x41, 0x9a, 0x24};
  nal.resize(bytes, 0x66);
  return nal;
}
inline Bytes SecondSlice() { return {0x65, 0x42, 0x20, 0x77}; }

inline Bytes Join(const std::vector<Bytes>& pieces) {
  Bytes all;
  for (const Bytes& piece : pieces) all.insert(all.end(), piece.begin(), piece.end());
  return all;
}

// Each behind a 4-byte length, as a sample holds them.
inline Bytes Nals(const std::vector<Bytes>& nals) {
  Bytes all;
  ByteWriter out(all);
  for (const Bytes& nal : nals) {
    out.U32(static_cast<uint32_t>(nal.size()));
    out.Raw(nal);
  }
  return all;
}

inline Bytes Rtp(uint16_t sequence, uint32_t time, bool marker, const Bytes& payload,
                 uint8_t payload_type = 96, uint32_t ssrc = 0x11223344) {
  Bytes packet;
  ByteWriter out(packet);
  out.U8(0x80);
  out.U8(static_cast<uint8_t>(payload_type | (marker ? 0x80 : 0)));
  out.U16(sequence);
  out.U32(time);
  out.U32(ssrc);
  out.Raw(payload);
  return packet;
}

inline Bytes SenderReportPacket(uint64_t ntp, uint32_t time, uint32_t ssrc = 0x11223344) {
  Bytes packet;
  ByteWriter out(packet);
  out.U8(0x80);
  out.U8(200);
  out.U16(6);
  out.U32(ssrc);
  out.U64(ntp);
  out.U32(time);
  out.U32(0);
  out.U32(0);
  return packet;
}

inline Bytes Interleaved(uint8_t channel, const Bytes& payload) {
  Bytes frame;
  ByteWriter out(frame);
  out.U8('$');
  out.U8(channel);
  out.U16(static_cast<uint16_t>(payload.size()));
  out.Raw(payload);
  return frame;
}

// Keeps what it is given.
class SampleList : public recorder::SampleSink {
 public:
  void OnSample(media::Sample sample) override { samples.push_back(std::move(sample)); }
  std::vector<media::Sample> samples;
};

}  // namespace lookback::test
