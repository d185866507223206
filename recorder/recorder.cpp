#include "recorder/recorder.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <thread>
#include <utility>

#include "net/tls_policy.h"
#include "recorder/camera_session.h"
#include "recorder/start_pace.h"

namespace lookback::recorder {
namespace {

using index::GapCause;

constexpr size_t kReadBufferBytes = 256 << 10;
constexpr size_t kMaxLoops = 64;

// One thread, its loop, and the cameras that live on it.
class IngestLoop {
 public:
  IngestLoop(const Recorder::Options& options, DemuxThreads& demuxers, storage::Archive& archive,
             Clock& clock)
      : options_(options),
        demuxers_(demuxers),
        archive_(archive),
        buffer_(kReadBufferBytes),
        context_{loop_, clock, buffer_, options.udp_ports},
        thread_([this] { Run(); }) {}
  ~IngestLoop() { Stop(); }
  IngestLoop(const IngestLoop&) = delete;
  IngestLoop& operator=(const IngestLoop&) = delete;

  // `gaps` is for a camera that is new here.
  void Put(CameraSource source, CameraUrl url, int64_t first_try_us,
           std::shared_ptr<GapKeeper> gaps, std::shared_ptr<StatusBoard> board) {
    loop_.Post([this, source = std::move(source), url = std::move(url), first_try_us,
                gaps = std::move(gaps), board = std::move(board)] {
      Camera& camera = cameras_[source.id];
      if (!camera.gaps) camera.gaps = gaps;
      if (camera.session) {
        camera.session.reset();
        camera.gaps->Interrupt(GapCause::kCameraOff, "its settings were changed");
      }
      camera.session = std::make_unique<CameraSession>(
          source, url, first_try_us, options_, context_, demuxers_, archive_, *camera.gaps, board);
    });
  }

  void Remove(const CameraId& id) {
    loop_.Post([this, id] {
      const auto found = cameras_.find(id);
      if (found == cameras_.end() || !found->second.session) return;
      found->second.session.reset();
      found->second.gaps->Interrupt(GapCause::kCameraOff, "switched off");
      found->second.gaps->Settle();
    });
  }

  void Stop() {
    if (!thread_.joinable()) return;
    loop_.Post([this] {
      for (auto& [id, camera] : cameras_) {
        camera.session.reset();
        camera.gaps->Settle();
      }
      cameras_.clear();
      tick_.reset();
    });
    loop_.Stop();
    thread_.join();
  }

 private:
  // Of one that is switched off only the gap is left.
  struct Camera {
    std::shared_ptr<GapKeeper> gaps;
    std::unique_ptr<CameraSession> session;
  };

  void Run() {
    tick_ = std::make_unique<net::Timer>(loop_);
    Tick();
    loop_.Run();
  }

  void Tick() {
    for (auto& [id, camera] : cameras_) {
      if (camera.session) camera.session->Tick();
    }
    // The tick wanders by a tenth either way. One of exactly 50 ms would stay in step with a camera
    // of 20 frames a second and see each frame equally late, for ever; the clock map needs to see
    // some at once.
    constexpr int64_t kPhases = 21;
    constexpr int64_t kStride = 13;  // Coprime to kPhases: all come, in no order that repeats soon.
    phase_ = (phase_ + kStride) % kPhases;
    tick_->Once(options_.read_tick_us * (90 + phase_) / 100, [this] { Tick(); });
  }

  const Recorder::Options options_;
  DemuxThreads& demuxers_;
  storage::Archive& archive_;
  net::Loop loop_;
  Bytes buffer_;
  const IngestContext context_;
  std::map<CameraId, Camera> cameras_;
  std::unique_ptr<net::Timer> tick_;
  int64_t phase_ = 0;
  std::thread thread_;  // Last: it uses all of the above.
};

class RecorderImpl : public Recorder {
 public:
  RecorderImpl(const Options& options, storage::Archive& archive, Clock& clock)
      : max_container_cameras_(options.max_container_cameras),
        archive_(archive),
        clock_(clock),
        demuxers_(2 * options.max_container_cameras),
        pace_(options.first_tries_per_second) {
    const size_t count = std::clamp<size_t>(options.loops, 1, kMaxLoops);
    for (size_t i = 0; i < count; ++i) {
      loops_.push_back(std::make_unique<IngestLoop>(options, demuxers_, archive, clock));
    }
  }
  ~RecorderImpl() override { Stop(); }

  Status CanPut(const CameraSource& source) override {
    const std::lock_guard lock(mutex_);
    LB_TRY(Admit(source));
    return Ok();
  }

  Status Put(const CameraSource& source) override {
    const std::lock_guard lock(mutex_);
    LB_TRY_ASSIGN(url, Admit(source));
    std::shared_ptr<GapKeeper> gaps;
    auto found = cameras_.find(source.id);
    if (found == cameras_.end()) {
      found = cameras_.emplace(source.id, Known{}).first;
      found->second.loop = next_loop_++ % loops_.size();
      gaps = std::make_shared<GapKeeper>(StreamId{source.id, Stream::kMain}, archive_, clock_);
    } else if (found->second.board && found->second.source == source) {
      return Ok();
    }
    found->second.source = source;
    found->second.container = url.container;
    found->second.board = std::make_shared<StatusBoard>();
    const int64_t now_us = clock_.MonotonicUs();
    const int64_t first_try_us = pace_.Next(now_us, Random32());
    CameraStatus status;
    status.state = first_try_us > now_us ? CameraState::kWaiting : CameraState::kConnecting;
    status.since_us = status.down_since_us = clock_.NowUs();
    found->second.board->Write(status, first_try_us);
    loops_[found->second.loop]->Put(source, std::move(url), first_try_us, std::move(gaps),
                                    found->second.board);
    return Ok();
  }

  void Remove(const CameraId& id) override {
    const std::lock_guard lock(mutex_);
    const auto found = cameras_.find(id);
    if (stopped_ || found == cameras_.end()) return;
    found->second.board.reset();
    loops_[found->second.loop]->Remove(id);
  }

  Result<CameraStatus> StatusOf(const CameraId& id) override {
    std::shared_ptr<StatusBoard> board;
    {
      const std::lock_guard lock(mutex_);
      const auto found = cameras_.find(id);
      if (found != cameras_.end()) board = found->second.board;
    }
    if (!board) return Fail(Code::kNotFound, "camera \"" + id.text() + "\" is not being recorded");
    CameraStatus status = board->Read(clock_.MonotonicUs());
    const storage::StreamStatus stream = archive_.StatusOf({id, Stream::kMain});
    status.recorded_until_us = stream.recorded_until_us;
    status.durable_until_us = stream.durable_until_us;
    if (stream.dropping && status.state == CameraState::kRecording) {
      status.state = CameraState::kDropping;
      status.since_us = status.down_since_us = stream.dropping->range.start_us;
      status.last_error = fmt::format("{}: {}", index::GapCauseName(stream.dropping->cause),
                                      stream.dropping->detail);
    }
    return status;
  }

  void Stop() override {
    {
      const std::lock_guard lock(mutex_);
      stopped_ = true;
    }
    for (auto& loop : loops_) loop->Stop();
  }

 private:
  struct Known {
    CameraSource source;
    size_t loop = 0;
    bool container = false;
    std::shared_ptr<StatusBoard> board;  // Null: switched off.
  };

  Result<CameraUrl> Admit(const CameraSource& source) const {
    LB_TRY_ASSIGN(url, ParseCameraUrl(source.url));
    LB_TRY(CheckCameraSource(source));
    if (source.id.empty()) return Fail(Code::kInvalid, "a camera needs an id");
    if (stopped_) return Fail(Code::kUnavailable, "the recorder stopped");
    if (url.container) LB_TRY(CheckRoom(source.id));
    return url;
  }

  Status CheckRoom(const CameraId& id) const {
    const auto count = std::count_if(cameras_.begin(), cameras_.end(), [&id](const auto& known) {
      return known.first != id && known.second.container && known.second.board;
    });
    if (static_cast<size_t>(count) < max_container_cameras_) return Ok();
    return Fail(Code::kUnavailable,
                fmt::format("{} cameras are read over rtmp, http or https, which takes a thread "
                            "each; no more are allowed (serve --max-container-cameras)",
                            count));
  }

  const size_t max_container_cameras_;
  storage::Archive& archive_;
  Clock& clock_;
  DemuxThreads demuxers_;  // Some may still wait for the end of a read, when their camera is gone.
  std::vector<std::unique_ptr<IngestLoop>> loops_;
  std::mutex mutex_;  // Of what follows.
  std::map<CameraId, Known> cameras_;
  StartPace pace_;
  size_t next_loop_ = 0;
  bool stopped_ = false;
};

}  // namespace

std::string_view CameraStateName(CameraState state) {
  switch (state) {
    case CameraState::kConnecting:
      return "connecting";
    case CameraState::kRecording:
      return "recording";
    case CameraState::kWaiting:
      return "waiting";
    case CameraState::kStopped:
      return "stopped";
    case CameraState::kDropping:
      return "dropping";
  }
  return "unknown";
}

Status CheckCameraSource(const CameraSource& source) {
  LB_TRY_ASSIGN(url, ParseCameraUrl(source.url));
  LB_TRY_ASSIGN(tls, net::TlsPolicy::Parse(source.tls));
  if (url.container && source.transport == index::Transport::kUdp) {
    return Fail(Code::kInvalid, "transport udp is for rtsp:// cameras; leave it at auto");
  }
  if (url.container && tls.check == net::TlsPolicy::Check::kPin) {
    return Fail(Code::kInvalid,
                "a pinned certificate is for rtsps:// cameras; the one behind https:// must be one "
                "that this machine trusts, or the policy insecure");
  }
  if (url.tls && source.transport == index::Transport::kUdp) {
    return Fail(
        Code::kInvalid,
        "over UDP the pictures of an rtsps:// camera would travel unencrypted; set transport "
        "to tcp, or the URL to rtsp://");
  }
  return Ok();
}

std::unique_ptr<Recorder> Recorder::Start(const Options& options, storage::Archive& archive,
                                          Clock& clock) {
  return std::make_unique<RecorderImpl>(options, archive, clock);
}

}  // namespace lookback::recorder
