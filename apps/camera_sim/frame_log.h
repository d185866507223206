// apps/camera_sim/frame_log.h: what every camera captured and sent, as JSON lines: the yardstick
// that recordings are judged by.
//
//   {"event":"start","version":1,"at_us":...,"seed":1,"cameras":["cam1",...]}     once a process
//   {"camera":"cam1","frame":7,"capture_us":...,"sync":true,"bytes":4711,"sent":1}      each frame
//   {"camera":"cam1","sound":7,"bytes":160,"sent":1,"sha256":"..."}              with hashes only
//   {"event":"play","camera":"cam1","client":"127.0.0.1:40000","at_us":...}
//   {"event":"stop", ...} {"event":"disconnect", ...}                      the same fields as
//   "play"
//   {"event":"end","at_us":...}                                                       a clean stop
//
// With hashes, a frame's line has "sha256" too: of what its sample in an MP4 file is to be (NAL
// units behind lengths of four bytes, parameter sets if they were sent with it; of MJPEG what is
// behind the start of scan, since RTP carries no more; G.726 with the high bits first).
//
// "sent" counts the clients that were playing when the frame was handed over; 0 is a frame captured
// with nobody watching, before a stream's first sync sample, or refused.
//
// Invariant: lines are whole and in the order of the calls; a line is in the file kFlushMs after
//            its call at the latest, by a thread of its own, so that no camera waits for a disk.
// Threads:   Append() on any; Open() and Close() on one.
// Errors:    a failed write, or kMaxPendingBytes waiting for a hung disk, ends the log:
//            `on_failure` is called once, on the log's thread, and Close() tells. A yardstick with
//            holes is none.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "base/result.h"
#include "base/time.h"

namespace lookback::camera_sim {

struct FrameRecord {
  const std::string& camera;
  uint64_t frame;
  TimeUs capture_us;
  bool sync;
  size_t bytes;
  int sent;
  std::string_view sha256 = {};  // In hex; empty: not logged.
};

struct SoundRecord {
  const std::string& camera;
  uint64_t sound;
  size_t bytes;
  int sent;
  std::string_view sha256;
};

class FrameLog {
 public:
  static constexpr int kFlushMs = 100;
  static constexpr size_t kMaxPendingBytes = size_t{64} << 20;

  // Appends to `path`; with an empty path every line is dropped.
  static Result<std::unique_ptr<FrameLog>> Open(const std::string& path,
                                                std::function<void()> on_failure);
  ~FrameLog();
  FrameLog(const FrameLog&) = delete;
  FrameLog& operator=(const FrameLog&) = delete;

  void Append(const FrameRecord& record);
  void AppendSound(const SoundRecord& record);
  void AppendLine(std::string_view json);

  // Writes what waits, and says whether every line reached the file.
  Status Close();

 private:
  FrameLog(int fd, std::string path, std::function<void()> on_failure);
  void Run();
  void Write(std::string_view text);
  void Failed(Error error);

  const int fd_;
  const std::string path_;
  const std::function<void()> on_failure_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::string pending_;
  Status status_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace lookback::camera_sim
