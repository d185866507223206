// recorder/camera_session.h: one stream of a camera, connected again and again, and what its state
// is.
//
// Invariant: at every instant the stream is connecting, recording, or waiting for its next try; a
//            failure of any kind leads to waiting, longer each time, and puts a cause on the gap.
// Threads:   the loop's; Status() on any.
// Errors:    in the status.
#pragma once

#include <algorithm>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "recorder/demux_thread.h"
#include "recorder/loss_window.h"
#include "recorder/recorder.h"
#include "recorder/run_writer.h"
#include "recorder/source_session.h"

namespace lookback::recorder {

// The status, as the loop last wrote it and any thread reads it.
class StatusBoard {
 public:
  // `retry_us`: monotonic; counts while the state is waiting.
  void Write(const CameraStatus& status, int64_t retry_us) {
    const std::lock_guard lock(mutex_);
    status_ = status;
    retry_us_ = retry_us;
  }
  CameraStatus Read(int64_t now_us) const {
    const std::lock_guard lock(mutex_);
    CameraStatus status = status_;
    if (status.state == CameraState::kWaiting) {
      status.next_try_in_us = std::max<int64_t>(retry_us_ - now_us, 0);
    }
    return status;
  }

 private:
  mutable std::mutex mutex_;
  CameraStatus status_;
  int64_t retry_us_ = 0;
};

uint32_t Random32();  // For jitter.

class CameraSession : private SourceSession::Owner {
 public:
  // A session that lasted so long lets the next failure begin with the shortest wait.
  static constexpr int64_t kStableUs = 2 * kUsPerSecond;
  static constexpr int kMaxRedirects = 5;  // One after the other.

  // `url` is the stream's, parsed; the first try is at `first_try_us`, monotonic. The rest must
  // outlive the session.
  CameraSession(Stream stream, CameraSource source, CameraUrl url, int64_t first_try_us,
                const Recorder::Options& options, const IngestContext& context,
                DemuxThreads& demuxers, storage::Archive& archive, GapKeeper& gaps,
                std::shared_ptr<StatusBoard> board);
  ~CameraSession() override;  // Ends the run and the session.

  void Tick();

 private:
  RunWriter& OnTracks(const std::vector<RtpFormat>& tracks) override;

  void Connect(const CameraUrl& url);
  std::unique_ptr<SourceSession> OpenRtsp(const CameraUrl& url);
  std::unique_ptr<SourceSession> OpenContainer(const CameraUrl& url);
  void Disconnect();
  bool Follow(SessionFailure& failure, int64_t now_us);
  void Wait(const SessionFailure& failure, int64_t now_us);
  int64_t Backoff(bool credentials);
  void CheckPictures(int64_t now_us);
  void Recording(int64_t now_us);
  std::string WhyNoFootage(int64_t waited_us) const;
  void SetState(CameraState state);
  void UpdateRates(int64_t now_us);
  void TakeStreamFigures(const RunWriter& writer);
  void PostStatus() { board_->Write(status_, retry_us_); }
  LossCounts Losses() const;
  SourceCounters Counters() const;

  const CameraSource source_;
  const StreamId stream_;
  const CameraUrl url_;
  const Recorder::Options options_;
  const IngestContext context_;
  DemuxThreads& demuxers_;
  storage::Archive& archive_;
  GapKeeper& gaps_;
  const std::shared_ptr<StatusBoard> board_;
  const uint32_t own_ssrc_;

  // The present try. The session calls into the writer.
  std::unique_ptr<RunWriter> writer_;
  std::unique_ptr<SourceSession> session_;

  CameraStatus status_;
  int64_t retry_us_;  // Monotonic; counts while there is no session.
  int64_t backoff_us_;
  int64_t recording_since_us_ = 0;  // Monotonic; 0: not recording.
  bool no_footage_told_ = false;
  int redirects_ = 0;        // Followed since a stable session or a wait.
  bool other_host_ = false;  // The present try goes to one that the camera named.

  // Of tries before this one.
  SourceCounters past_counters_;
  uint64_t past_frames_ = 0;
  uint64_t past_damaged_frames_ = 0;
  LossWindow loss_window_;
  int64_t rated_us_ = 0;  // When the rates were last worked out, from ...
  uint64_t rated_bytes_ = 0;
  uint64_t rated_frames_ = 0;
};

}  // namespace lookback::recorder
