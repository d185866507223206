// storage/stream_state.h: what the archive knows of one stream beside the catalog: segments whose
// row is not there yet, gaps on their way to the ledger, and what is being dropped right now.
//
// Invariant: a segment leaves only after its row is in the catalog, so who looks here first and in
//            the catalog second misses nothing; who sees a key in both takes the catalog's.
// Threads:   any; one lock each.
// Errors:    none.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "media/fragment.h"
#include "storage/live_segment.h"

namespace lookback::storage {

class StreamState {
 public:
  // Ends of runs that wait where a queue has no room: a GOP is up to 1 MiB, or one picture.
  static constexpr uint64_t kMaxLastBytes = 4 << 20;

  // `last_end_us`: where the catalog's last segment of the stream ends; 0 when it has none.
  StreamState(StreamId id, TimeUs last_end_us)
      : id_(std::move(id)), recorded_until_us_(last_end_us), durable_before_us_(last_end_us) {}
  // Of an import, beside the stream's own, which numbers the segments of both.
  explicit StreamState(std::shared_ptr<StreamState> numbers)
      : id_(numbers->id_),
        numbers_(std::move(numbers)),
        recorded_until_us_(0),
        durable_before_us_(0) {}

  const StreamId& id() const { return id_; }
  uint32_t NextSequence();

  void AddSegment(std::shared_ptr<LiveSegment> segment);
  // Its row is in the catalog, or it is no footage after all.
  void DropSegment(const std::shared_ptr<LiveSegment>& segment);
  // `by` holds what was good of `old`.
  void ReplaceSegment(const std::shared_ptr<LiveSegment>& old, std::shared_ptr<LiveSegment> by);
  std::vector<std::shared_ptr<LiveSegment>> Segments() const;
  // A fragment of `run` is in a file. One that is written again, elsewhere, moves nothing back.
  void SetRecordedUntil(const Uuid& run, TimeUs end_us);
  TimeUs recorded_until_us() const;
  // The end of what is durable without anything before it that is not.
  TimeUs DurableUntil() const;

  void AddGap(const index::Gap& gap);
  void DropGap(const index::Gap& gap);
  void SetOpenGap(std::optional<index::Gap> gap);
  // Gaps that overlap `range` and may not be in the catalog yet, those going on too.
  std::vector<index::Gap> Gaps(TimeRange range, TimeUs now_us) const;

  // A fragment is dropped: begins a hole or widens it. `who` tells the places that drop apart.
  void ExtendHole(const void* who, const media::FragmentInfo& fragment, index::GapCause cause,
                  const std::string& detail);
  // Footage flows again: what was dropped, to be put on record.
  std::optional<index::Gap> TakeHole(const void* who);
  uint64_t dropped_fragments() const;
  std::optional<index::Gap> dropping() const;  // A hole that is still open.

  // Room for the end of a run where a volume's queue has none; false: kMaxLastBytes are taken.
  bool TakeLast(uint64_t bytes);
  void ReturnLast(uint64_t bytes);

  void RunBegins(const std::string& volume);
  void RunEnds();
  void SetVolume(const std::string& root);
  bool recording() const;
  std::string volume() const;

 private:
  struct Entry {
    std::shared_ptr<LiveSegment> segment;
    bool dropped = false;
  };

  const StreamId id_;
  const std::shared_ptr<StreamState> numbers_;
  mutable std::mutex mutex_;
  uint32_t next_sequence_ = 0;
  std::deque<Entry> segments_;  // By start.
  TimeUs recorded_until_us_;
  Uuid recorded_run_;         // Whose fragment ends there.
  TimeUs durable_before_us_;  // The end of what is durable of segments no longer in segments_.
  std::vector<index::Gap> gaps_;
  std::optional<index::Gap> open_gap_;
  std::map<const void*, index::Gap> holes_;
  uint64_t dropped_fragments_ = 0;
  uint64_t last_bytes_ = 0;
  int runs_ = 0;
  std::string volume_;
};

}  // namespace lookback::storage
