// recorder/demux_source.h: a camera behind rtmp, http or https, read by a thread of its own, as a
// source of samples.
//
// A server may begin with what it has kept: seconds of it, all at once. When these samples were
// taken is told by their own times, counted back from the last of them, so that the clock map
// begins right; what lies before the end of the camera's footage is footage already, and left out.
//
// Invariant: samples come in their order; none is held longer than kBurstUs.
// Threads:   the camera's loop.
// Errors:    credentials and what is no usable stream are the camera's fault;
//            all else the network's.
#pragma once

#include "recorder/demux_thread.h"
#include "recorder/source_session.h"

namespace lookback::recorder {

class DemuxSource : public SourceSession {
 public:
  static constexpr int64_t kBurstUs = 2 * kUsPerSecond;
  // A pause that shows that the server has nothing left in store.
  static constexpr int64_t kBurstPauseUs = 15 * kUsPerMs;
  static constexpr int64_t kMaxBacklogUs = 120 * kUsPerSecond;
  static constexpr int64_t kFloodUs = 10 * kUsPerSecond;

  struct Options {
    std::string url;
    media::Demuxer::Options demuxer;
    uint64_t max_bytes_per_second = 0;
    TimeUs footage_end_us = 0;
  };

  // `threads` and `owner` must outlive the source.
  DemuxSource(const Options& options, const IngestContext& context, DemuxThreads& threads,
              Owner& owner);
  ~DemuxSource() override;

  void Tick() override;
  void Fail(index::GapCause cause, std::string detail) override;
  bool playing() const override { return writer_ != nullptr; }
  const std::optional<SessionFailure>& failure() const override { return failure_; }
  std::string_view transport_name() const override {
    return playing() ? std::string_view(scheme_) : std::string_view();
  }
  SourceCounters counters() const override;
  std::string WhyNoPicture() const override { return {}; }

 private:
  void TakeBurst(std::vector<media::Sample> samples);
  void DateBurst();
  void PassBurstOn();
  void CheckFlood();
  void End(const Error& error);

  Clock& clock_;
  Owner& owner_;
  const uint64_t max_bytes_per_second_;
  const TimeUs footage_end_us_;
  const std::string scheme_;
  std::shared_ptr<DemuxFeed> feed_;
  RunWriter* writer_ = nullptr;
  std::optional<SessionFailure> failure_;

  uint32_t audio_timescale_ = 1;
  bool in_burst_ = true;
  std::vector<media::Sample> burst_;
  int64_t flood_since_us_;
  uint64_t flood_bytes_ = 0;
};

}  // namespace lookback::recorder
