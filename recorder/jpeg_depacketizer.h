// recorder/jpeg_depacketizer.h: JPEG pictures from RTP (RFC 2435: types 0 and 1, with and without
// restart markers, quantization tables computed or in band).
//
// A picture of more than 2,040 pixels a side does not fit RFC 2435's header, which then says 0. Its
// size comes in the RTP header extension that ONVIF's Streaming Specification defines (profile
// 0xffd8, which holds segments of the JPEG head), or else from the description.
//
// Invariant: a picture that comes out is whole, from start to end of image; its entropy-coded data,
//            and all behind it, is as it came in.
// Threads:   one depacketizer, one thread.
// Errors:    a picture that lost a packet, is interlaced, or is larger than media::kMaxSampleBytes
//            is left out, and the next is marked damaged.
#pragma once

#include <map>

#include "media/jpeg.h"
#include "recorder/depacketizer.h"

namespace lookback::recorder {

class JpegDepacketizer : public Depacketizer {
 public:
  JpegDepacketizer(const RtpFormat& format, SampleSink& sink)
      : sink_(sink), described_size_{format.config.width, format.config.height} {}

  void Push(const RtpPacket& packet, const PacketContext& context) override;

 private:
  struct Head {  // §3.1 and §3.1.7.
    uint8_t type_specific = 0;
    uint32_t offset = 0;
    uint8_t type = 0;
    uint8_t quality = 0;
    media::JpegSize size;
    uint16_t restart_interval = 0;
  };

  static Head ReadHead(ByteReader& in);
  bool Take(const RtpPacket& packet);
  bool Begin(const Head& head, const RtpPacket& packet, ByteReader& in);
  bool ReadTables(const Head& head, ByteReader& in, Bytes& tables);
  void Drop();
  void Emit();

  SampleSink& sink_;
  const media::JpegSize described_size_;
  std::map<uint8_t, Bytes> tables_;  // Those that came in band, by their quality: at most 127.
  bool in_picture_ = false;          // One has begun, and is whole so far:
  Bytes picture_;
  size_t scan_start_ = 0;
  size_t usual_bytes_ = 0;
  int64_t time_ = 0;
  int64_t received_us_ = 0;
  uint32_t lost_ = 0;
  bool damaged_ = false;
};

}  // namespace lookback::recorder
