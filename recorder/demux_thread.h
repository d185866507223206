// recorder/demux_thread.h: threads that read cameras through libavformat, which waits
// where our loops must not.
//
// Each reads one camera and hands its samples over in a queue that the camera's loop empties at its
// ticks. A queue that is full drops samples up to the next sync sample; they are counted, and the
// sample after them is marked as damaged.
//
// Invariant: at most `max` threads at a time; a thread ends when its feed is stopped, when the
//            stream fails or ends, and before the pool does.
// Threads:   DemuxThreads on any; a DemuxFeed's reading end on the camera's loop.
// Errors:    kUnavailable above `max`; a stream's in its feed.
#pragma once

#include <atomic>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/bounded_queue.h"
#include "media/demuxer.h"

namespace lookback::recorder {

// What one thread has read.
class DemuxFeed {
 public:
  static constexpr size_t kMaxSamples = 4'096;
  static constexpr uint64_t kMaxBytes = 24 << 20;

  // The tracks, once they are known.
  std::optional<std::vector<media::TrackConfig>> TakeTracks();
  // What has come since the last call; never waits.
  std::vector<media::Sample> TakeSamples();
  // Why it ended; once set, no sample is added.
  std::optional<Error> ended() const;
  void Stop() { stop_ = true; }

  // The reading thread's: hands one sample over, or drops it.
  void Push(media::Sample sample);

  uint64_t read_bytes() const { return read_bytes_; }
  uint64_t dropped_samples() const { return dropped_samples_; }

 private:
  friend class DemuxThreads;

  void Read(const std::string& url, const media::Demuxer::Options& options, const Clock& clock);
  Error ReadAll(const std::string& url, const media::Demuxer::Options& options, const Clock& clock);

  std::atomic<bool> stop_{false};
  std::atomic<bool> done_{false};
  std::atomic<uint64_t> read_bytes_{0};
  std::atomic<uint64_t> dropped_samples_{0};
  bool dropping_ = false;  // The thread's own.
  BoundedQueue<media::Sample> queue_{kMaxSamples, kMaxBytes};
  mutable std::mutex mutex_;  // Of what follows.
  std::optional<std::vector<media::TrackConfig>> tracks_;
  std::optional<Error> ended_;
};

class DemuxThreads {
 public:
  explicit DemuxThreads(size_t max) : max_(max) {}
  ~DemuxThreads();  // Stops all feeds and awaits their threads.
  DemuxThreads(const DemuxThreads&) = delete;
  DemuxThreads& operator=(const DemuxThreads&) = delete;

  // `clock` must outlive the pool.
  Result<std::shared_ptr<DemuxFeed>> Start(std::string url, media::Demuxer::Options options,
                                           const Clock& clock);

 private:
  struct Running {
    std::shared_ptr<DemuxFeed> feed;
    std::thread thread;
  };
  void Reap();

  const size_t max_;
  std::mutex mutex_;  // Of what follows.
  std::list<Running> running_;
};

}  // namespace lookback::recorder
