// recorder/rtp.h: RTP's packet head (RFC 3550 §5.1) and what its counters tell (§A.1).
//
// Invariant: a parsed packet's payload and extension lie within the bytes given.
// Threads:   values.
// Errors:    what is no RTP version 2 packet gives nullopt. Safe on hostile bytes.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"

namespace lookback::recorder {

struct RtpPacket {
  uint8_t payload_type = 0;
  bool marker = false;
  uint16_t sequence = 0;
  uint32_t timestamp = 0;
  uint32_t ssrc = 0;
  uint16_t extension_profile = 0;  // 0 without a header extension, which RFC 3550 §5.3.1 defines.
  ByteSpan extension;
  ByteSpan payload;
};

std::optional<RtpPacket> ParseRtp(ByteSpan bytes);

// Follows the sequence numbers of one source.
class RtpSequence {
 public:
  enum class Verdict : uint8_t {
    kNext,     // In order; `lost` packets are missing before it.
    kLate,     // Behind what came already, or the same again: to be left out.
    kRestart,  // Far from what came: the source began anew, what is lost is not known.
  };
  struct Step {
    Verdict verdict = Verdict::kNext;
    uint32_t lost = 0;
  };

  // RFC 3550 §A.1: a step of so many ahead, or behind, is still of the same numbering.
  static constexpr uint16_t kMaxDropout = 3'000;
  static constexpr uint16_t kMaxMisorder = 100;

  Step Take(uint16_t sequence);

  // RFC 3550 §6.4.1: of the receiver report.
  uint32_t extended_highest() const { return cycles_ | highest_; }
  uint64_t received() const { return received_; }
  uint64_t lost() const { return lost_; }

 private:
  bool started_ = false;
  uint16_t highest_ = 0;
  uint32_t cycles_ = 0;
  uint64_t received_ = 0;
  uint64_t lost_ = 0;
};

// Extends 32-bit RTP time to 64 bits: each value is taken to be less than half a wrap (6.6 hours at
// 90 kHz) away from the one before.
class RtpTime {
 public:
  int64_t Extend(uint32_t timestamp);
  // The same for a time that is only mentioned (a sender report's): does not move on.
  int64_t Near(uint32_t timestamp) const;
  bool started() const { return started_; }

 private:
  bool started_ = false;
  int64_t last_ = 0;
};

}  // namespace lookback::recorder
