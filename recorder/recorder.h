// recorder/recorder.h: keeps every camera's streams flowing into the archive.
//
// Each stream of a camera, main and sub, has a session, a status and gaps of its own.
//
// Invariant: one stream's sickness costs that stream alone; every interruption becomes a gap with a
//            cause; no thread per stream, but for those that only libavformat can read.
// Threads:   every method on any thread; cameras live on the ingest loops' threads.
// Errors:    Put refuses (kInvalid) a source that can never work, saying what is allowed. What goes
//            wrong later is in the status.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "index/records.h"
#include "net/udp_socket.h"
#include "recorder/gap_keeper.h"
#include "storage/archive.h"

namespace lookback::recorder {

struct CameraSource {
  CameraId id;
  std::string url;  // rtsp[s]://host[:port]/path, or http[s] or rtmp, without credentials.
  std::string user;
  std::string password;
  bool audio = false;
  index::Transport transport = index::Transport::kAuto;
  std::string tls = {};      // Whom to believe behind rtsps:// (net/tls_policy.h).
  std::string sub_url = {};  // Of the sub stream, which shares all of the above; empty: none.

  friend bool operator==(const CameraSource&, const CameraSource&) = default;
};

// kInvalid unless `url` is one that the recorder can try: scheme, host, port, no credentials in it.
Status CheckCameraUrl(const std::string& url);
// The same of a whole source: RTP over UDP is not encrypted, so it does not go with rtsps://; and a
// sub stream is another one than the main stream.
Status CheckCameraSource(const CameraSource& source);

enum class CameraState : uint8_t {
  kConnecting,
  kRecording,
  kWaiting,  // For its next try.
  kStopped,
  kDropping,  // Pictures come, and the archive cannot keep them: `last_error` says why.
};
std::string_view CameraStateName(CameraState state);

// How one stream of a camera does.
struct CameraStatus {
  CameraState state = CameraState::kConnecting;
  // Of the last failed try, or what ails the stream that is recorded; empty when all is well.
  std::string last_error;
  TimeUs since_us = 0;       // When the state began.
  TimeUs down_since_us = 0;  // When it was last recorded, or added; 0: it is recorded.
  TimeUs recorded_until_us = 0;
  TimeUs durable_until_us = 0;
  double bits_per_second = 0;  // Over the last seconds.
  double frames_per_second = 0;
  uint64_t frames = 0;  // Since the recorder started.
  uint64_t bytes = 0;
  uint64_t received_packets = 0;
  uint64_t lost_packets = 0;
  // Packets of them, or before them, were lost, or their time is wild.
  uint64_t damaged_frames = 0;
  // Of the last minute (LossWindow::kWindowUs).
  double lost_share = 0;
  double damaged_share = 0;
  // The last whole group of pictures, from one sync sample to the next; 0: none yet.
  uint32_t gop_frames = 0;
  int64_t gop_us = 0;
  double declared_frames_per_second = 0;  // By the SDP, or the SPS; 0: not declared.
  bool timed_by_arrival = false;          // The camera's timestamps are of no use.
  int64_t next_try_in_us = 0;             // While waiting.
  bool tried = false;                     // False: its first try is still to come.
  uint64_t dropped_samples = 0;           // Container cameras: found the queue to their loop full.
  // Of the present session: "tcp", "udp", "tls"; "rtmp", "http", "https"; empty when none.
  std::string transport;
  uint64_t foreign_packets = 0;  // UDP, dropped: not from the camera's address. Since the start.
  uint64_t late_packets = 0;     // UDP, dropped: twice, or after they had been counted as lost.
  uint64_t kernel_drops = 0;     // UDP: this machine had no room for them; counted as lost too.
  uint32_t reconnects = 0;
  bool has_camera_offset = false;
  int64_t camera_offset_us = 0;
  std::string tracks;  // "avc1.4d401f 768x576"
};

class Recorder {
 public:
  struct Options {
    size_t loops = 1;               // Ingest threads.
    int64_t read_tick_us = 50'000;  // Sockets are read this often once a stream plays.
    int64_t connect_timeout_us = 10 * kUsPerSecond;
    int64_t silence_timeout_us = 10 * kUsPerSecond;  // No packet for so long: reconnect.
    int64_t backoff_min_us = kUsPerSecond / 2;
    int64_t backoff_max_us = 30 * kUsPerSecond;  // Doubles up to here, with ±25 % of jitter.
    // Cameras lock accounts after a few wrong passwords a minute.
    int64_t credential_backoff_us = 60 * kUsPerSecond;
    // A camera whose packets make no picture, or no sync sample, for so long is named as such; for
    // so much longer, it is asked anew.
    int64_t no_picture_us = 12 * kUsPerSecond;
    int64_t no_picture_reconnect_us = 30 * kUsPerSecond;
    // One that sends more than this, over kFloodUs, floods: no camera's settings give so much.
    uint64_t max_bytes_per_second = 32 << 20;
    // Streams put all at once are tried spread out, so that a start asks neither the network nor
    // this machine for everything in one instant: the first StartPace::kAtOnce now, the others at
    // this pace; sub streams that have to wait, 5 s behind the main ones.
    int64_t first_tries_per_second = 100;
    // Streams of container cameras (rtmp, http, https) cost a thread each; more are refused.
    size_t max_container_cameras = 64;
    net::PortRange udp_ports;  // Where cameras send RTP over UDP to.
    Downtime downtime;         // Of what is missing when a camera is first put.
  };

  // `archive` and `clock` must outlive the recorder.
  static std::unique_ptr<Recorder> Start(const Options& options, storage::Archive& archive,
                                         Clock& clock);
  virtual ~Recorder() = default;  // Stops.

  // What Put would say, with nothing done.
  virtual Status CanPut(const CameraSource& source) = 0;
  // Starts a camera's streams; restarts one when anything about its source changed, and ends the
  // sub stream when there is no URL of it any more.
  virtual Status Put(const CameraSource& source) = 0;
  // Records it no more, or not at all: from the end of its footage on, time is missing with the
  // cause "camera off" and this detail ("switched off").
  virtual void Remove(const CameraId& id, const std::string& detail) = 0;
  virtual Result<CameraStatus> StatusOf(const StreamId& stream) = 0;
  // Calls `task` once from each ingest loop, when that has gone over all of its cameras; returns
  // how many will. So a watchdog learns that they are still read.
  virtual size_t AtNextTick(const std::function<void()>& task) = 0;
  // Ends every session; what was received is in the archive's hands when it returns.
  virtual void Stop() = 0;
};

}  // namespace lookback::recorder
