// recorder/aac_depacketizer.h: AAC access units from RTP (RFC 3640, mode AAC-hbr).
//
// Ours, like G.711, though other codecs may come by FFmpeg's demuxer one day: both are a page each,
// and the demuxer would need a context per track, hide losses and keep the first timestamps back.
//
// Invariant: access units in one packet are one frame's duration apart; one that spans packets has
//            the time of the first.
// Threads:   one depacketizer, one thread.
// Errors:    a packet whose headers contradict its length is left out; the next sample is damaged.
#pragma once

#include "recorder/depacketizer.h"

namespace lookback::recorder {

class AacDepacketizer : public Depacketizer {
 public:
  // What 13 bits of size can say, and more than any AAC frame has.
  static constexpr size_t kMaxFrameBytes = 8'191;
  static constexpr size_t kMaxFramesPerPacket = 64;

  AacDepacketizer(const RtpFormat& format, SampleSink& sink);

  void Push(const RtpPacket& packet, const PacketContext& context) override;

 private:
  bool PushFrames(const RtpPacket& packet, const PacketContext& context);
  void Emit(ByteSpan frame, int64_t pts, int64_t received_us);

  SampleSink& sink_;
  const int size_bits_;
  const int index_bits_;
  const int index_delta_bits_;
  uint32_t frame_ticks_ = 1024;
  Bytes partial_;            // The beginning of a frame that spans packets ...
  size_t partial_size_ = 0;  // ... and how long it will be.
  int64_t partial_time_ = 0;
  uint32_t lost_ = 0;
  bool damaged_ = false;
};

}  // namespace lookback::recorder
