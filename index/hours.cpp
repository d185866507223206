#include "index/hours.h"

#include <algorithm>

namespace lookback::index {
namespace {

// How many of the piece's bytes come before `at_us`, which lies in it.
uint64_t BytesBefore(const FootagePiece& piece, TimeUs at_us) {
  __extension__ using Wide = unsigned __int128;
  const auto before = static_cast<uint64_t>(at_us - piece.range.start_us);
  const auto whole = static_cast<uint64_t>(piece.range.duration_us());
  return static_cast<uint64_t>(Wide{piece.bytes} * before / whole);
}

// Adds what of `part` lies behind all before it.
void Cover(TimeRange part, TimeUs& covered_to, int64_t& covered_us) {
  covered_us += std::max<int64_t>(0, part.end_us - std::max(part.start_us, covered_to));
  covered_to = std::max(covered_to, part.end_us);
}

}  // namespace

FootagePiece PieceOf(const Seal& seal) {
  const TimeUs end_us = std::min(seal.end_us, seal.start_us + kMaxSegmentUs);
  return {{seal.start_us, end_us}, seal.bytes, seal.thinned};
}

uint64_t BytesWithin(const FootagePiece& piece, TimeRange part) {
  const TimeRange common = piece.range.Intersect(part);
  if (common.empty()) return 0;
  return BytesBefore(piece, common.end_us) - BytesBefore(piece, common.start_us);
}

FootageTotals CountFootage(std::span<const FootagePiece> pieces, TimeRange range) {
  FootageTotals totals;
  int64_t whole_us = 0;
  TimeUs covered_to = range.start_us, whole_to = range.start_us;
  for (const FootagePiece& piece : pieces) {
    const TimeRange part = piece.range.Intersect(range);
    if (part.empty()) continue;
    ++totals.segments;
    totals.bytes += BytesWithin(piece, part);
    totals.summed_us += part.duration_us();
    Cover(part, covered_to, totals.covered_us);
    if (!piece.thinned) Cover(part, whole_to, whole_us);
  }
  totals.thinned_us = totals.covered_us - whole_us;
  totals.last_end_us = covered_to - range.start_us;
  return totals;
}

Status DayCounter::Add(const Seal& seal) {
  const FootagePiece piece = PieceOf(seal);
  if (piece.range.empty()) return Ok();
  if (stream_ != seal.stream) {
    LB_TRY(Finish());
    stream_ = seal.stream;
  }
  const int64_t hour = HourOf(piece.range.start_us);
  while (!pieces_.empty() && hour_ < hour) LB_TRY(CloseHour());
  if (pieces_.empty()) {
    if (hour / kHoursADay != hour_ / kHoursADay) LB_TRY(CloseDay());
    hour_ = hour;
  }
  pieces_.push_back(piece);
  return Ok();
}

Status DayCounter::Finish() {
  while (!pieces_.empty()) LB_TRY(CloseHour());
  LB_TRY(CloseDay());
  stream_.reset();
  return Ok();
}

Status DayCounter::CloseHour() {
  const TimeRange range = RangeOfHour(hour_);
  day_[static_cast<size_t>(hour_ % kHoursADay)] = CountFootage(pieces_, range);
  any_ = true;
  std::erase_if(pieces_,
                [&range](const FootagePiece& piece) { return piece.range.end_us <= range.end_us; });
  if ((hour_ + 1) % kHoursADay == 0) LB_TRY(CloseDay());
  ++hour_;
  return Ok();
}

Status DayCounter::CloseDay() {
  if (!any_) return Ok();
  LB_TRY(take_(*stream_, hour_ / kHoursADay, day_));
  day_ = {};
  any_ = false;
  return Ok();
}

}  // namespace lookback::index
