// recorder/rtcp.h: RTCP (RFC 3550 §6): reads sender reports and goodbyes, writes receiver reports.
//
// Invariant: reading never leaves the bytes given; a compound packet that breaks off counts as far
//            as it is whole.
// Threads:   free functions; no state.
// Errors:    none: what is not understood is passed over. Safe on hostile bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/time.h"

namespace lookback::recorder {

struct SenderReport {
  uint32_t ssrc = 0;
  uint64_t ntp = 0;  // 32.32 fixed point since 1900; 0: the sender has no wall clock.
  uint32_t rtp_time = 0;
};

struct RtcpSummary {
  std::optional<SenderReport> report;
  bool goodbye = false;
};

RtcpSummary ParseRtcp(ByteSpan bytes);

// UTC of an NTP timestamp, in the era that holds the present (RFC 5905 §6: 1968 to 2104).
TimeUs NtpToUtc(uint64_t ntp);

struct ReceptionReport {
  uint32_t own_ssrc = 0;
  uint32_t source_ssrc = 0;
  uint8_t fraction_lost = 0;  // Of 256, since the report before.
  uint32_t lost = 0;          // In all, at most 0x7fffff.
  uint32_t highest_sequence = 0;
  uint32_t jitter = 0;
  uint32_t last_sender_report = 0;  // Middle 32 bits of its NTP time.
  uint32_t delay_65536ths = 0;      // Since it came.
};

// A compound packet: RR and SDES with a CNAME of at most 255 bytes.
Bytes WriteReceiverReport(const ReceptionReport& report, std::string_view cname);

// A compound packet for one who leaves (§6.6): an empty RR, since one must come first, and BYE.
Bytes WriteGoodbye(uint32_t own_ssrc);

}  // namespace lookback::recorder
