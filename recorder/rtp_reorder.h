// recorder/rtp_reorder.h: puts the RTP packets of one track back in the order they were sent.
//
// A packet ahead of its turn waits for those before it, at most kMaxWaitUs after it came and with
// at most kMaxPackets others; then what is missing is given up, and whoever counts sequence numbers
// (RtpSequence) sees the hole. The first packets wait as long, for nobody knows which is first.
//
// Invariant: packets come out with rising sequence numbers, each once, until the source starts
//            anew: with another SSRC, or with two packets in a row far from the rest (RFC 3550
//            §A.1). One packet far from the rest is left out.
// Threads:   one buffer, one thread. Packets are handed on from within the calls.
// Errors:    none: what is no RTP, comes twice or comes too late is left out. Safe on hostile
//            bytes; what is held stays below kMaxBytes and one packet.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>

#include "base/bytes.h"
#include "base/time.h"

namespace lookback::recorder {

class RtpReorder {
 public:
  static constexpr int64_t kMaxWaitUs = 200 * kUsPerMs;
  static constexpr size_t kMaxPackets = 512;
  static constexpr size_t kMaxBytes = 2 << 20;

  // `received_us` is the packet's own, whenever it is handed on.
  using Deliver = std::function<void(ByteSpan packet, int64_t received_us)>;
  explicit RtpReorder(Deliver deliver);

  void Push(ByteSpan packet, int64_t received_us);
  // Gives up what has been waited for too long.
  void Release(int64_t now_us);
  // Hands on all that is held.
  void Flush();

  // Packets left out: they came twice, or after they had been given up.
  uint64_t late() const { return late_; }
  size_t held() const { return held_.size(); }

 private:
  struct Held {
    Bytes packet;
    int64_t received_us = 0;
  };

  void Begin(uint32_t ssrc, uint16_t sequence);
  void Place(int64_t sequence, ByteSpan packet, int64_t received_us);
  void SkipToHeld();
  void Drain();

  const Deliver deliver_;
  bool begun_ = false;    // There is a source.
  bool in_turn_ = false;  // Its first packet was handed on: next_ is known.
  uint32_t ssrc_ = 0;
  int64_t next_ = 0;  // Sequence numbers are extended to 64 bits.
  std::map<int64_t, Held> held_;
  size_t held_bytes_ = 0;
  std::optional<Held> stray_;  // Far from the rest; the next one tells what it is.
  uint64_t late_ = 0;
};

}  // namespace lookback::recorder
