#include "recorder/gap_keeper.h"

#include <algorithm>
#include <utility>

namespace lookback::recorder {

using index::GapCause;

Downtime DowntimeOf(const storage::LastUse& last_use, const std::string& version) {
  if (last_use.version.empty()) return {};
  if (!last_use.closed) {
    return {GapCause::kRecorderDown, "ended without a stop: crash, kill or power cut"};
  }
  if (last_use.version == version) return {GapCause::kRecorderDown, "stopped in good order"};
  return {GapCause::kUpgrade, last_use.version + " to " + version};
}

GapKeeper::GapKeeper(const StreamId& stream, storage::Archive& archive, Clock& clock,
                     const Downtime& downtime)
    : stream_(stream),
      archive_(archive),
      clock_(clock),
      started_us_(clock.NowUs()),
      cause_(downtime.cause),
      detail_(downtime.detail) {
  footage_end_us_ = archive_.StatusOf(stream_).recorded_until_us;
  ever_ = footage_end_us_ > 0;
  LookBack();
  if (!fresh_) Show();
}

std::unique_ptr<GapKeeper> GapKeeper::Off(const StreamId& stream, storage::Archive& archive,
                                          Clock& clock, const std::string& detail) {
  auto keeper = std::make_unique<GapKeeper>(stream, archive, clock);
  keeper->cause_ = GapCause::kCameraOff;
  keeper->detail_ = detail;
  if (!keeper->fresh_) keeper->Show();
  return keeper;
}

void GapKeeper::LookBack() {
  from_us_ = ever_ ? footage_end_us_ : started_us_ - kLookBackUs;
  const TimeUs since_us = from_us_;
  // Pieces of a gap that stood on record before the last stop.
  if (const auto gaps = archive_.Gaps(stream_, {from_us_, kTimeMaxUs})) {
    for (const index::Gap& gap : *gaps) from_us_ = std::max(from_us_, gap.range.end_us);
  }
  fresh_ = !ever_ && from_us_ == since_us;
  if (fresh_) from_us_ = started_us_;
}

void GapKeeper::Interrupt(GapCause cause, std::string detail) {
  if (!open_) {
    open_ = true;
    from_us_ = footage_end_us_;
  } else if (cause != cause_ && !std::exchange(fresh_, false)) {
    Record(SinceStart() ? started_us_ : clock_.NowUs());
  }
  cause_ = cause;
  detail_ = std::move(detail);
  Show();
}

void GapKeeper::Footage(TimeRange range) {
  if (open_) {
    Record(range.start_us);
    open_ = false;
    archive_.SetOpenGap(stream_, std::nullopt);
  }
  ever_ = true;
  fresh_ = false;
  footage_end_us_ = range.end_us;
}

void GapKeeper::Tick() {
  const TimeUs now_us = clock_.NowUs();
  if (!open_ || fresh_ || SinceStart() || now_us - from_us_ < kPieceUs) return;
  Record(now_us);
  Show();
}

void GapKeeper::Settle() {
  if (!open_) return;
  Record(clock_.NowUs());
  archive_.SetOpenGap(stream_, std::nullopt);
}

bool GapKeeper::SinceStart() const {
  return cause_ == GapCause::kRecorderDown || cause_ == GapCause::kUpgrade;
}

void GapKeeper::Record(TimeUs end_us) {
  if (!fresh_ && end_us > from_us_) {
    archive_.RecordGap({stream_, {from_us_, end_us}, cause_, detail_});
  }
  // The last picture lasts a little into the future: what is missing begins after it. Only when the
  // wall clock was set back does it begin anew.
  if (end_us > from_us_ || from_us_ - end_us > kClockStepUs) from_us_ = end_us;
}

void GapKeeper::Show() {
  const TimeUs now_us = clock_.NowUs();
  archive_.SetOpenGap(stream_,
                      index::Gap{stream_, {from_us_, std::max(now_us, from_us_)}, cause_, detail_});
}

}  // namespace lookback::recorder
