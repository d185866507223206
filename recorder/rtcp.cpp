#include "recorder/rtcp.h"

#include <algorithm>

namespace lookback::recorder {
namespace {

constexpr uint8_t kSenderReport = 200;
constexpr uint8_t kReceiverReport = 201;
constexpr uint8_t kSourceDescription = 202;
constexpr uint8_t kGoodbye = 203;
constexpr uint8_t kVersion2 = 0x80;
constexpr uint8_t kCname = 1;
constexpr int64_t kNtpToUnixSeconds = 2'208'988'800;
constexpr uint32_t kMaxLost = 0x7fffff;

}  // namespace

RtcpSummary ParseRtcp(ByteSpan bytes) {
  RtcpSummary summary;
  ByteReader reader(bytes);
  while (reader.remaining() >= 4) {
    const uint8_t first = reader.U8();
    const uint8_t type = reader.U8();
    const size_t length = size_t{4} * reader.U16();
    ByteReader body(reader.Take(length));
    if (!reader.ok() || (first & 0xc0) != kVersion2) break;
    if (type == kGoodbye) summary.goodbye = true;
    if (type != kSenderReport) continue;
    SenderReport report;
    report.ssrc = body.U32();
    report.ntp = body.U64();
    report.rtp_time = body.U32();
    if (body.ok()) summary.report = report;
  }
  return summary;
}

TimeUs NtpToUtc(uint64_t ntp) {
  auto seconds = static_cast<int64_t>(ntp >> 32);
  if ((seconds & 0x80000000) == 0) seconds += int64_t{1} << 32;
  const auto fraction_us = static_cast<int64_t>((ntp & 0xffffffff) * kUsPerSecond >> 32);
  return (seconds - kNtpToUnixSeconds) * kUsPerSecond + fraction_us;
}

Bytes WriteReceiverReport(const ReceptionReport& report, std::string_view cname) {
  Bytes out;
  ByteWriter writer(out);
  writer.U8(kVersion2 | 1);
  writer.U8(kReceiverReport);
  writer.U16(7);
  writer.U32(report.own_ssrc);
  writer.U32(report.source_ssrc);
  writer.U8(report.fraction_lost);
  writer.U24(std::min(report.lost, kMaxLost));
  writer.U32(report.highest_sequence);
  writer.U32(report.jitter);
  writer.U32(report.last_sender_report);
  writer.U32(report.delay_65536ths);

  cname = cname.substr(0, 255);
  // SSRC, item, and one to four zero bytes up to the next word.
  const size_t item = 2 + cname.size();
  const size_t padded = (item / 4 + 1) * 4;
  writer.U8(kVersion2 | 1);
  writer.U8(kSourceDescription);
  writer.U16(static_cast<uint16_t>(1 + padded / 4));
  writer.U32(report.own_ssrc);
  writer.U8(kCname);
  writer.U8(static_cast<uint8_t>(cname.size()));
  writer.Text(cname);
  writer.Zeros(padded - item);
  return out;
}

Bytes WriteGoodbye(uint32_t own_ssrc) {
  Bytes out;
  ByteWriter writer(out);
  writer.U8(kVersion2);
  writer.U8(kReceiverReport);
  writer.U16(1);
  writer.U32(own_ssrc);
  writer.U8(kVersion2 | 1);
  writer.U8(kGoodbye);
  writer.U16(1);
  writer.U32(own_ssrc);
  return out;
}

}  // namespace lookback::recorder
