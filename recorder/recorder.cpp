#include "recorder/recorder.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <thread>
#include <utility>

#include "base/worker_pool.h"
#include "net/tls_policy.h"
#include "recorder/camera_session.h"
#include "recorder/start_pace.h"

namespace lookback::recorder {
namespace {

using index::GapCause;

constexpr size_t kReadBufferBytes = 256 << 10;
constexpr size_t kMaxLoops = 64;

// When streams have to wait for their turns, subs wait for so much longer: the mains of 500 cameras
// are tried by then.
constexpr int64_t kSubStartsLaterUs = 5 * kUsPerSecond;
constexpr Stream kStreams[] = {Stream::kMain, Stream::kSub};

// What a stream's session is to know of its camera: the other stream's settings are none of its
// own, so that a change of them is no change of this one.
CameraSource OfStream(CameraSource source, Stream stream) {
  const std::string sub_url = std::exchange(source.sub_url, "");
  if (stream == Stream::kSub) source.url = sub_url;
  return source;
}

// One thread, its loop, and the streams that live on it.
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

  // `source` is the stream's own; `gaps` is for one that is new here.
  void Put(const StreamId& id, CameraSource source, CameraUrl url, int64_t first_try_us,
           std::shared_ptr<GapKeeper> gaps, std::shared_ptr<StatusBoard> board) {
    loop_.Post([this, id, source = std::move(source), url = std::move(url), first_try_us,
                gaps = std::move(gaps), board = std::move(board)] {
      Recorded& recorded = streams_[id];
      if (recorded.gaps) {
        // Of one that was off, what is missing until now goes on record: a start after a crash
        // would not know why it is.
        if (!recorded.session) recorded.gaps->Settle();
        recorded.session.reset();
        recorded.gaps->Interrupt(GapCause::kCameraOff, "its settings were changed");
      } else {
        recorded.gaps = gaps;
      }
      recorded.session =
          std::make_unique<CameraSession>(id.stream, source, url, first_try_us, options_, context_,
                                          demuxers_, archive_, *recorded.gaps, board);
    });
  }

  // `gaps` is for one that is new here.
  void Remove(const StreamId& id, const std::string& detail, std::shared_ptr<GapKeeper> gaps) {
    loop_.Post([this, id, detail, gaps = std::move(gaps)] {
      Recorded& recorded = streams_[id];
      if (recorded.gaps) {
        recorded.session.reset();
        recorded.gaps->Interrupt(GapCause::kCameraOff, detail);
      } else {
        recorded.gaps = gaps;
      }
    });
  }

  // False once it has stopped.
  bool AtNextTick(std::function<void()> task) {
    return loop_.Post(
        [this, task = std::move(task)]() mutable { at_next_tick_.push_back(std::move(task)); });
  }

  void Stop() {
    if (!thread_.joinable()) return;
    loop_.Post([this] {
      for (auto& [id, recorded] : streams_) {
        recorded.session.reset();
        recorded.gaps->Settle();
      }
      streams_.clear();
      tick_.reset();
    });
    loop_.Stop();
    thread_.join();
  }

 private:
  // Of one that is switched off only the gap is left.
  struct Recorded {
    std::shared_ptr<GapKeeper> gaps;
    std::unique_ptr<CameraSession> session;
  };

  void Run() {
    NameThisThread("ingest");
    tick_ = std::make_unique<net::Timer>(loop_);
    Tick();
    loop_.Run();
  }

  void Tick() {
    for (auto& [id, recorded] : streams_) {
      if (recorded.session) recorded.session->Tick();
    }
    for (const auto& task : std::exchange(at_next_tick_, {})) task();
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
  std::map<StreamId, Recorded> streams_;
  std::unique_ptr<net::Timer> tick_;
  std::vector<std::function<void()>> at_next_tick_;
  int64_t phase_ = 0;
  std::thread thread_;  // Last: it uses all of the above.
};

class RecorderImpl : public Recorder {
 public:
  RecorderImpl(const Options& options, storage::Archive& archive, Clock& clock)
      : max_container_cameras_(options.max_container_cameras),
        downtime_(options.downtime),
        archive_(archive),
        clock_(clock),
        demuxers_(2 * options.max_container_cameras),
        main_pace_(options.first_tries_per_second),
        sub_pace_(options.first_tries_per_second) {
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
    LB_TRY(Admit(source));
    for (const Stream stream : kStreams) {
      CameraSource own = OfStream(source, stream);
      if (own.url.empty()) {
        RemoveStream({source.id, stream}, "it has no such stream any more");
      } else {
        PutStream({source.id, stream}, std::move(own));
      }
    }
    return Ok();
  }

  void Remove(const CameraId& id, const std::string& detail) override {
    const std::lock_guard lock(mutex_);
    for (const Stream stream : kStreams) RemoveStream({id, stream}, detail);
  }

  Result<CameraStatus> StatusOf(const StreamId& id) override {
    std::shared_ptr<StatusBoard> board;
    {
      const std::lock_guard lock(mutex_);
      const auto found = streams_.find(id);
      if (found != streams_.end()) board = found->second.board;
    }
    if (!board) return Fail(Code::kNotFound, "stream \"" + id.text() + "\" is not being recorded");
    CameraStatus status = board->Read(clock_.MonotonicUs());
    const storage::StreamStatus stream = archive_.StatusOf(id);
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

  size_t AtNextTick(const std::function<void()>& task) override {
    size_t asked = 0;
    for (auto& loop : loops_) asked += loop->AtNextTick(task) ? 1 : 0;
    return asked;
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
    CameraSource source;  // Of this stream alone.
    size_t loop = 0;
    bool container = false;
    std::shared_ptr<StatusBoard> board;  // Null: switched off.
  };

  // All of a camera, or nothing of it.
  Status Admit(const CameraSource& source) const {
    LB_TRY(CheckCameraSource(source));
    if (source.id.empty()) return Fail(Code::kInvalid, "a camera needs an id");
    if (stopped_) return Fail(Code::kUnavailable, "the recorder stopped");
    size_t asked = 0;
    for (const std::string& url : {source.url, source.sub_url}) {
      const auto parsed = ParseCameraUrl(url);
      if (parsed && parsed->container) ++asked;
    }
    return asked == 0 ? Ok() : CheckRoom(source.id, asked);
  }

  // For so many streams of this camera that take a thread each.
  Status CheckRoom(const CameraId& id, size_t asked) const {
    const auto count = std::count_if(streams_.begin(), streams_.end(), [&id](const auto& known) {
      return known.first.camera != id && known.second.container && known.second.board;
    });
    if (static_cast<size_t>(count) + asked <= max_container_cameras_) return Ok();
    return Fail(Code::kUnavailable,
                fmt::format("{} streams are read over rtmp, http or https, which takes a thread "
                            "each; at most {} are allowed (serve --max-container-cameras)",
                            count, max_container_cameras_));
  }

  void PutStream(const StreamId& id, CameraSource source) {
    std::shared_ptr<GapKeeper> gaps;
    auto found = streams_.find(id);
    if (found == streams_.end()) {
      found = streams_.emplace(id, Known{}).first;
      found->second.loop = next_loop_++ % loops_.size();
      gaps = std::make_shared<GapKeeper>(id, archive_, clock_, downtime_);
    } else if (found->second.board && found->second.source == source) {
      return;
    }
    const auto url = ParseCameraUrl(source.url);
    LB_CHECK(url.has_value());  // It was admitted.
    found->second.source = source;
    found->second.container = url->container;
    found->second.board = std::make_shared<StatusBoard>();
    const int64_t now_us = clock_.MonotonicUs();
    const int64_t first_try_us = FirstTry(id.stream, now_us);
    CameraStatus status;
    status.state = first_try_us > now_us ? CameraState::kWaiting : CameraState::kConnecting;
    status.since_us = status.down_since_us = clock_.NowUs();
    found->second.board->Write(status, first_try_us);
    loops_[found->second.loop]->Put(id, std::move(source), *url, first_try_us, std::move(gaps),
                                    found->second.board);
  }

  int64_t FirstTry(Stream stream, int64_t now_us) {
    if (stream == Stream::kMain) return main_pace_.Next(now_us, Random32());
    const int64_t turn_us = sub_pace_.Next(now_us, Random32());
    return turn_us > now_us ? turn_us + kSubStartsLaterUs : now_us;
  }

  void RemoveStream(const StreamId& id, const std::string& detail) {
    if (stopped_) return;
    auto found = streams_.find(id);
    std::shared_ptr<GapKeeper> gaps;
    if (found == streams_.end()) {
      // One that never had footage misses none.
      if (archive_.StatusOf(id).recorded_until_us == 0) return;
      found = streams_.emplace(id, Known{}).first;
      found->second.loop = next_loop_++ % loops_.size();
      gaps = GapKeeper::Off(id, archive_, clock_, detail);
    }
    found->second.board.reset();
    found->second.source = {};
    loops_[found->second.loop]->Remove(id, detail, std::move(gaps));
  }

  const size_t max_container_cameras_;
  const Downtime downtime_;
  storage::Archive& archive_;
  Clock& clock_;
  DemuxThreads demuxers_;  // Some may still wait for the end of a read, when their camera is gone.
  std::vector<std::unique_ptr<IngestLoop>> loops_;
  std::mutex mutex_;  // Of what follows.
  std::map<StreamId, Known> streams_;
  StartPace main_pace_;
  StartPace sub_pace_;
  size_t next_loop_ = 0;
  bool stopped_ = false;
};

// Whether a stream can be had by the way that its camera's settings say.
Status CheckWay(const CameraUrl& url, const CameraSource& source) {
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
  LB_TRY(CheckWay(url, source));
  if (source.sub_url.empty()) return Ok();
  LB_TRY_ASSIGN(sub_url, ParseCameraUrl(source.sub_url));
  if (SameStream(url, sub_url)) {
    return Fail(Code::kInvalid,
                "the sub stream's URL is the main stream's, which would be recorded twice");
  }
  return CheckWay(sub_url, source);
}

std::unique_ptr<Recorder> Recorder::Start(const Options& options, storage::Archive& archive,
                                          Clock& clock) {
  return std::make_unique<RecorderImpl>(options, archive, clock);
}

}  // namespace lookback::recorder
