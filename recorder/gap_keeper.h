// recorder/gap_keeper.h: sees to it that a stream's missing time has a cause on record.
//
// Time is missing from the end of the last footage until the next begins. While it is, the gap is
// shown as going on; when footage begins, it goes on record, exactly from end to start. One that
// lasts goes on record in pieces of kPieceUs, so that a crash forgets no more than that. That of
// a camera that is off does not, for the next start knows that it is: it goes on record when the
// camera is on again, or at a stop.
//
// When the process starts, what is missing until then is its downtime, "recorder down" or
// "upgrade"; and if the camera delivers without a failed try, so is the rest, as one gap. Of a
// stream that is not recorded then, because a person wants it so, all is "camera off".
//
// A stream that never had footage misses nothing until a try to record it has failed; from the
// start of the keeper that failed, its missing time has a cause like any other's.
//
// Invariant: the gaps of a stream that go on record never overlap, nor touch footage.
// Threads:   one at a time; the constructor reads the catalog.
// Errors:    none.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "storage/archive.h"
#include "storage/volume_file.h"

namespace lookback::recorder {

// Why nothing was recorded before the process started.
struct Downtime {
  index::GapCause cause = index::GapCause::kRecorderDown;
  std::string detail;
};
// What this program, of `version`, makes of how the store was used before.
Downtime DowntimeOf(const storage::LastUse& last_use, const std::string& version);

class GapKeeper {
 public:
  static constexpr int64_t kPieceUs = 10 * kUsPerMinute;
  // Footage may end so much after now, by the length of its last picture, without a clock step.
  static constexpr int64_t kClockStepUs = 10 * kUsPerSecond;
  // How far back the gaps of a stream without any footage are looked for.
  static constexpr int64_t kLookBackUs = 30 * kUsPerDay;

  // `archive` and `clock` must outlive the keeper.
  GapKeeper(const StreamId& stream, storage::Archive& archive, Clock& clock,
            const Downtime& downtime = {});
  // Of a stream that is not recorded; `detail` is why.
  static std::unique_ptr<GapKeeper> Off(const StreamId& stream, storage::Archive& archive,
                                        Clock& clock, const std::string& detail);

  // Footage has stopped, or still does not begin, because of this.
  void Interrupt(index::GapCause cause, std::string detail);

  // A fragment of this range is in the archive's hands.
  void Footage(TimeRange range);

  // To be called now and then.
  void Tick();

  // Puts on record what is missing up to now.
  void Settle();

  // Where footage ends; 0: there is none.
  TimeUs footage_end_us() const { return ever_ ? footage_end_us_ : 0; }

 private:
  // What stands on record of earlier keepers.
  void LookBack();
  bool SinceStart() const;
  void Record(TimeUs end_us);
  void Show();

  const StreamId stream_;
  storage::Archive& archive_;
  Clock& clock_;
  const TimeUs started_us_;  // This keeper, and in general the process.
  bool ever_ = false;        // There is footage.
  bool fresh_ = false;       // There is neither that nor a failed try.
  TimeUs footage_end_us_ = 0;

  bool open_ = true;
  TimeUs from_us_ = 0;  // What is missing before stands on record.
  index::GapCause cause_;
  std::string detail_;
};

}  // namespace lookback::recorder
