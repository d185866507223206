#include "api/doctor_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "api/context.h"
#include "base/log.h"
#include "base/worker_pool.h"
#include "doctor/libraries.h"

namespace lookback::api {
namespace {

// Of less time a volume's load tells nothing.
constexpr int64_t kLoadLearntUs = 10 * kUsPerMinute;

void AddVolumes(Context& context, doctor::Question& question) {
  const std::vector<storage::VolumeTrouble> troubles = context.store.archive().Troubles();
  const std::vector<storage::VolumeLoad> loads = context.store.archive().Loads();
  const int64_t ran_us = context.clock.MonotonicUs() - context.started_monotonic_us;
  for (const storage::Volume* volume : context.store.volumes()) {
    doctor::Question::Volume asked{volume->root(), true, "", {}};
    if (volume->state() == storage::VolumeState::kFailed) asked.failed = volume->why();
    for (const storage::VolumeTrouble& trouble : troubles) {
      // A look could hang as its writer does.
      if (trouble.root == volume->root() && trouble.why.code == Code::kUnavailable) {
        asked.skip = "it hardly answers";
      }
    }
    for (const storage::VolumeLoad& load : loads) {
      if (load.root != volume->root() || ran_us < kLoadLearntUs) continue;
      asked.busy_share = static_cast<double>(load.writes.lasted_us + load.syncs.lasted_us) /
                         static_cast<double>(ran_us);
    }
    question.volumes.push_back(std::move(asked));
  }
}

doctor::CameraFacts FactsOf(Context& context, const index::Camera& camera, Stream stream) {
  const StreamId id{camera.id, stream};
  doctor::CameraFacts facts;
  facts.id = stream == Stream::kSub ? id.text() : camera.id.text();
  const auto status = context.recorder.StatusOf(id);
  if (!status || status->state != recorder::CameraState::kRecording) return facts;
  facts.recording = true;
  if (status->since_us > 0) facts.recording_us = context.clock.NowUs() - status->since_us;
  facts.gop_us = status->gop_frames > 0 ? status->gop_us : 0;
  facts.lost_share = status->lost_share;
  facts.udp = status->transport == "udp";
  facts.frames_per_second = status->frames_per_second;
  facts.declared_frames_per_second = status->declared_frames_per_second;
  facts.timed_by_arrival = status->timed_by_arrival;
  if (status->has_camera_offset) facts.clock_offset_us = status->camera_offset_us;
  const bool h265 = status->tracks.starts_with("hvc1") || status->tracks.starts_with("hev1");
  facts.h265_alone = h265 && stream == Stream::kMain && camera.sub_url.empty();
  return facts;
}

void AddCameras(Context& context, doctor::Facts& facts) {
  const auto cameras = context.store.catalog().Cameras();
  if (!cameras) return;
  for (const index::Camera& camera : *cameras) {
    if (camera.removed || !camera.enabled || camera.imported) continue;
    facts.cameras.push_back(FactsOf(context, camera, Stream::kMain));
    if (!camera.sub_url.empty()) facts.cameras.push_back(FactsOf(context, camera, Stream::kSub));
  }
  facts.streams = std::max<uint64_t>(facts.streams, facts.cameras.size());
}

doctor::Question QuestionOf(Context& context) {
  doctor::Question question;
  question.data = context.store.data();
  question.server = true;
  question.no_smart = "a server that records does not ask it";
  AddVolumes(context, question);
  if (context.certificate != nullptr) question.secrets = {context.certificate->paths().key};
  return question;
}

// What the machine does not know.
void Complete(Context& context, doctor::Facts& facts) {
  facts.now_us = context.clock.NowUs();
  facts.clock_synchronised = context.clock.Synchronised();
  facts.libraries = doctor::Libraries();
  facts.connections = net::HttpLimits{}.connections;
  if (context.certificate != nullptr) {
    facts.certificate = {context.certificate->paths().certificate, context.certificate->Trouble(),
                         context.certificate->ExpiresUs()};
  }
  AddCameras(context, facts);
  const std::lock_guard lock(context.round_mutex);
  if (const LastForecast& last = context.last_forecast; last.at_monotonic_us != 0) {
    facts.promises = {last.breaks_us, last.stops_us, last.unmeasured, last.sentence};
  }
}

}  // namespace

DoctorWatch::DoctorWatch(Context& context, std::shared_ptr<doctor::Machine> machine)
    : context_(context), looking_(std::make_shared<Looking>()) {
  looking_->machine = machine ? std::move(machine) : doctor::MakeThisMachine();
}

DoctorWatch::~DoctorWatch() { Stop(); }

void DoctorWatch::StartThread() {
  std::thread([looking = looking_] { looking->Run(); }).detach();
  thread_ = std::thread([this] { Run(); });
}

void DoctorWatch::Looking::Run() {
  NameThisThread("doctor-look");
  LowerThisThread();
  std::unique_lock lock(mutex);
  while (!stopping) {
    wake.wait(lock, [this] { return stopping || question; });
    if (stopping) break;
    const doctor::Question asked = *std::exchange(question, std::nullopt);
    lock.unlock();
    doctor::Facts found = doctor::GatherFacts(asked, *machine);
    lock.lock();
    facts = std::move(found);
    wake.notify_all();
  }
  ended = true;
  wake.notify_all();
}

void DoctorWatch::Run() {
  NameThisThread("doctor");
  LowerThisThread();
  int64_t wait_us = kSettleUs;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    asked_ = false;
    lock.unlock();
    if (auto facts = AskLooking(QuestionOf(context_))) Use(*std::move(facts));
    lock.lock();
    wake_.wait_for(lock, std::chrono::microseconds(wait_us),
                   [this] { return stopping_ || asked_; });
    if (!asked_) wait_us = kIntervalUs;
  }
}

// nullopt: it is to stop.
std::optional<doctor::Facts> DoctorWatch::AskLooking(doctor::Question question) {
  std::unique_lock lock(looking_->mutex);
  looking_->question = std::move(question);
  looking_->wake.notify_all();
  looking_->wake.wait(lock, [this] { return looking_->stopping || looking_->facts; });
  return std::exchange(looking_->facts, std::nullopt);
}

void DoctorWatch::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  looked_.notify_all();
  std::unique_lock lock(looking_->mutex);
  looking_->stopping = true;
  looking_->wake.notify_all();
  if (!thread_.joinable()) return;
  const bool ended = looking_->wake.wait_for(lock, std::chrono::microseconds(kStopWaitUs),
                                             [this] { return looking_->ended; });
  lock.unlock();
  if (!ended) LogWarning("doctor", "its look at the machine hangs, and is not waited for");
  thread_.join();
}

doctor::Report DoctorWatch::Last() const {
  const std::lock_guard lock(mutex_);
  return last_;
}

doctor::Report DoctorWatch::Fresh() {
  if (!thread_.joinable()) Use(doctor::GatherFacts(QuestionOf(context_), *looking_->machine));
  std::unique_lock lock(mutex_);
  const int64_t since_us = context_.clock.MonotonicUs() - kFreshUs;
  const auto fresh = [this, since_us] {
    return stopping_ || (last_.at_us != 0 && last_monotonic_us_ >= since_us);
  };
  if (!fresh()) {
    asked_ = true;
    wake_.notify_all();
    looked_.wait_for(lock, std::chrono::microseconds(kWaitUs), fresh);
  }
  return last_;
}

void DoctorWatch::Use(doctor::Facts facts) {
  Complete(context_, facts);
  doctor::Report report = doctor::Examine(facts);
  Tell(report);
  {
    const std::lock_guard lock(mutex_);
    last_ = std::move(report);
    last_monotonic_us_ = context_.clock.MonotonicUs();
  }
  looked_.notify_all();
}

void DoctorWatch::Tell(const doctor::Report& report) {
  std::set<std::string> now;
  for (const doctor::Finding& finding : report.findings) {
    if (finding.severity == doctor::Severity::kUnknown) continue;
    const std::string what = finding.about.empty()
                                 ? std::string(finding.check)
                                 : fmt::format("{}, {}", finding.check, finding.about);
    const std::string key = fmt::format("{}, {}", what, doctor::SeverityName(finding.severity));
    now.insert(key);
    if (told_.contains(key)) continue;
    const std::string line = fmt::format("{}: {}; {}", what, finding.sentence, finding.cure);
    const bool grave = finding.severity <= doctor::Severity::kWarning;
    Log(grave ? LogLevel::kWarning : LogLevel::kInfo, "doctor", line);
  }
  for (const std::string& key : told_) {
    if (!now.contains(key)) LogInfo("doctor", key + ": no longer");
  }
  told_ = std::move(now);
}

}  // namespace lookback::api
