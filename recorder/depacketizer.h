// recorder/depacketizer.h: from the payloads of RTP packets to samples.
//
// Invariant: samples come out in the order of their packets; a sample's `pts` is the RTP time of
//            its packets as given, extended but not shifted.
// Threads:   one depacketizer, one thread. The sink is called from within Push().
// Errors:    none: what cannot be used is left out, and the next sample is marked damaged. Safe on
//            hostile bytes; what is held stays below media::kMaxSampleBytes.
#pragma once

#include <cstdint>
#include <memory>

#include "media/sample.h"
#include "recorder/rtp.h"
#include "recorder/sdp.h"

namespace lookback::recorder {

class SampleSink {
 public:
  virtual ~SampleSink() = default;
  virtual void OnSample(media::Sample sample) = 0;
};

// What is known of a packet besides its own bytes.
struct PacketContext {
  int64_t time = 0;         // RTP time, extended.
  int64_t received_us = 0;  // Monotonic.
  uint32_t lost = 0;        // Packets missing just before it.
};

class Depacketizer {
 public:
  virtual ~Depacketizer() = default;
  virtual void Push(const RtpPacket& packet, const PacketContext& context) = 0;
};

// `sink` must outlive what is made.
std::unique_ptr<Depacketizer> MakeDepacketizer(const RtpFormat& format, SampleSink& sink);

}  // namespace lookback::recorder
