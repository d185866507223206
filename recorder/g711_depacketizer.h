// recorder/g711_depacketizer.h: G.711 from RTP (RFC 3551 §4.5.14): a packet is a sample.
//
// Invariant: bytes come out as they came in.
// Threads:   one depacketizer, one thread.
// Errors:    none.
#pragma once

#include "recorder/depacketizer.h"

namespace lookback::recorder {

class G711Depacketizer : public Depacketizer {
 public:
  explicit G711Depacketizer(SampleSink& sink) : sink_(sink) {}

  void Push(const RtpPacket& packet, const PacketContext& context) override {
    if (packet.payload.empty()) return;
    media::Sample sample;
    sample.track = media::TrackKind::kAudio;
    sample.pts = context.time;
    sample.received_us = context.received_us;
    sample.sync = media::Sync::kClosed;
    sample.damaged = context.lost > 0;
    sample.lost_packets = context.lost;
    sample.data.assign(packet.payload.begin(), packet.payload.end());
    sink_.OnSample(std::move(sample));
  }

 private:
  SampleSink& sink_;
};

}  // namespace lookback::recorder
