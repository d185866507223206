#include "api/imports.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/log.h"
#include "base/words.h"
#include "media/demuxer.h"
#include "storage/retention.h"
#include "storage/volume_health.h"

namespace lookback::api {
namespace {

Problem Refused(const Error& error, const std::string& file) {
  const bool of_the_file = error.code == Code::kCorrupt || error.code == Code::kUnsupported ||
                           error.code == Code::kInvalid;
  if (of_the_file) return {422, "bad-import-file", fmt::format("{}: {}", file, error.message)};
  return ProblemOf(error);
}

}  // namespace

struct Imports::Job {
  Uuid id;
  Ask ask;
  std::string path;
  std::atomic<bool> stop{false};
  std::unique_ptr<recorder::FileImport> work;  // Made before the worker has it.

  std::mutex mutex;  // Of what follows.
  State state = State::kUploading;
  std::unique_ptr<File> file;
  uint64_t received_bytes = 0;
  int64_t touched_us = 0;  // Monotonic.
  Sha256Hasher hasher;
  Sha256Digest sha256{};
  std::optional<Problem> problem;
  recorder::FileImport::Found found;

  bool ended() const { return state == State::kDone || state == State::kFailed; }
};

std::string_view ImportStateName(Imports::State state) {
  constexpr std::array<std::string_view, 5> kNames = {"uploading", "checking", "keeping", "done",
                                                      "failed"};
  return kNames[static_cast<size_t>(state)];
}

Imports::Imports(storage::Store& store, Clock& clock, FileSystem& files, uint64_t max_bytes)
    : store_(store),
      clock_(clock),
      files_(files),
      max_bytes_(max_bytes),
      worker_("import", 1, kMaxJobs) {
  const auto left = files_.List(Spool());
  if (!left) return;
  for (const DirEntry& entry : *left) (void)files_.Remove(JoinPath(Spool(), entry.name));
}

Imports::~Imports() {
  stop_ = true;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, job] : jobs_) job->stop = true;
  }
  worker_.Stop();
  for (const auto& [id, job] : jobs_) {
    if (job->file) (void)files_.Remove(job->path);
  }
}

std::string Imports::Spool() const { return JoinPath(store_.data(), "spool"); }

Uuid Imports::Begin(const Ask& ask) {
  if (ask.bytes == 0) {
    throw Problem{422, "bad-import-file",
                  fmt::format("{}: it is empty; {} are taken", ask.file, media::kDemuxedFiles)};
  }
  if (const uint64_t max_bytes = max_bytes_; ask.bytes > max_bytes) {
    throw Problem{413, "import-too-large",
                  fmt::format("{}: it has {} bytes; files of at most {} are taken "
                              "(serve --max-import-gib)",
                              ask.file, ask.bytes, max_bytes)};
  }
  // What is wrong at once need not be uploaded first.
  CheckFree(ask.stream, {ask.start_us, ask.start_us + 1});
  CheckSpace(ask.bytes);
  DropIdle();
  const std::lock_guard lock(mutex_);
  if (jobs_.size() >= kMaxJobs) {
    const auto ended = std::find_if(jobs_.begin(), jobs_.end(), [](const auto& job) {
      const std::lock_guard inner(job.second->mutex);
      return job.second->ended();
    });
    if (ended == jobs_.end()) {
      throw Problem{503, "busy",
                    fmt::format("{} imports are under way; try again later", kMaxJobs)};
    }
    jobs_.erase(ended);
  }
  auto job = std::make_shared<Job>();
  job->id = Uuid::Random();
  job->ask = ask;
  job->path = JoinPath(Spool(), job->id.text());
  job->touched_us = clock_.MonotonicUs();
  OrThrow(files_.MakeDirectories(Spool()));
  job->file = OrThrow(files_.Open(job->path, OpenMode::kCreateNew));
  jobs_[job->id] = job;
  return job->id;
}

// An upload that nobody goes on with.
void Imports::DropIdle() {
  const int64_t before_us = clock_.MonotonicUs() - kIdleUs;
  const std::lock_guard lock(mutex_);
  std::erase_if(jobs_, [&](const auto& entry) {
    Job& job = *entry.second;
    const std::lock_guard inner(job.mutex);
    if (job.state != State::kUploading || job.touched_us > before_us) return false;
    job.file.reset();
    (void)files_.Remove(job.path);
    return true;
  });
}

std::shared_ptr<Imports::Job> Imports::FindJob(const Uuid& id) {
  const std::lock_guard lock(mutex_);
  const auto found = jobs_.find(id);
  if (found != jobs_.end()) return found->second;
  throw Problem{
      404, "unknown-import",
      fmt::format("there is no import {}: it ended long ago, or its upload stood still, or "
                  "the server was started again; notes tell what was kept",
                  id.text())};
}

uint64_t Imports::Append(const Uuid& id, uint64_t offset, ByteSpan bytes) {
  const auto job = FindJob(id);
  const std::lock_guard lock(job->mutex);
  if (job->state != State::kUploading || offset != job->received_bytes) {
    throw Problem{409,
                  "wrong-offset",
                  fmt::format("{} bytes have come; go on from there", job->received_bytes),
                  {{"received_bytes", job->received_bytes}}};
  }
  if (bytes.size() > job->ask.bytes - offset) {
    throw Problem{409,
                  "wrong-offset",
                  "more bytes come than were announced",
                  {{"received_bytes", job->received_bytes}}};
  }
  const ByteSpan parts[] = {bytes};
  OrThrow(job->file->WriteAt(offset, parts));
  job->hasher.Update(bytes);
  job->received_bytes += bytes.size();
  job->touched_us = clock_.MonotonicUs();
  if (job->received_bytes < job->ask.bytes) return job->received_bytes;
  job->sha256 = job->hasher.Finish();
  job->work = std::make_unique<recorder::FileImport>(
      recorder::FileImport::Options{job->ask.stream, job->ask.start_us, job->ask.audio}, *job->file,
      clock_, job->stop);
  job->state = State::kChecking;
  if (!worker_.Post([this, job] { Work(job); })) {
    throw Problem{503, "unavailable", "the server is being stopped"};
  }
  return job->received_bytes;
}

Imports::View Imports::Find(const Uuid& id) {
  const auto job = FindJob(id);
  const std::lock_guard lock(job->mutex);
  View view;
  view.ask = job->ask;
  view.state = job->state;
  view.received_bytes = job->received_bytes;
  if (job->work) view.read_bytes = job->work->progress_bytes();
  view.problem = job->problem;
  view.sha256 = job->sha256;
  view.found = job->found;
  return view;
}

void Imports::Cancel(const Uuid& id) {
  const auto job = FindJob(id);
  job->stop = true;
  const std::lock_guard lock(job->mutex);
  if (job->state != State::kUploading) return;
  job->state = State::kFailed;
  job->problem = Problem{409, "cancelled", "it was cancelled"};
  job->file.reset();
  (void)files_.Remove(job->path);
}

void Imports::Work(const std::shared_ptr<Job>& job) {
  std::optional<Problem> problem;
  try {
    OrThrow(job->file->Sync());
    Keep(*job);
  } catch (const Problem& thrown) {
    problem = thrown;
  } catch (const std::exception& error) {
    LogError("import", fmt::format("{} failed: {}", job->id.text(), error.what()));
    problem = Problem{500, "internal", "it could not be imported; the log says why"};
  }
  const std::lock_guard lock(job->mutex);
  job->file.reset();
  (void)files_.Remove(job->path);
  job->problem = problem;
  job->state = problem ? State::kFailed : State::kDone;
}

void Imports::Keep(Job& job) {
  auto found = job.work->Look();
  if (!found) throw Refused(found.error(), job.ask.file);
  Check(job, *found);
  {
    const std::lock_guard lock(job.mutex);
    job.found = *found;
    job.state = State::kKeeping;
  }
  index::Import record;
  record.id = job.id;
  record.stream = job.ask.stream;
  record.range = found->range;
  record.file = job.ask.file;
  record.bytes = job.ask.bytes;
  record.sha256 = job.sha256;
  record.person = job.ask.person;
  record.client = job.ask.client;
  record.reason = job.ask.reason;
  record.left_out = found->left_out_samples;
  if (const Status begun = store_.journal().Commit({record}); !begun) {
    throw NotOnRecord(begun.error(), "this import");
  }
  auto runs = job.work->Keep(store_.archive());
  if (!runs) {
    throw Problem{503, "import-incomplete",
                  fmt::format("{}: {}; what was kept of it stays, on record as begun", job.ask.file,
                              runs.error().message)};
  }
  record.runs = std::move(*runs);
  record.complete = true;
  if (const Status complete = store_.journal().Commit({record}); !complete) {
    throw NotOnRecord(complete.error(), "this import");
  }
}

void Imports::Check(const Job& job, const recorder::FileImport::Found& found) {
  const TimeUs now_us = clock_.NowUs();
  if (found.range.end_us > now_us) {
    throw Problem{409, "future-range",
                  fmt::format("{}: it would end at {}, and it is {} now", job.ask.file,
                              FormatTime(found.range.end_us), FormatSecond(now_us))};
  }
  CheckFree(job.ask.stream, found.range);
  CheckRetention(job.ask.stream, found.range);
  CheckSpace(job.ask.bytes);
}

// Two truths at one hour are none.
void Imports::CheckFree(const StreamId& stream, TimeRange range) {
  for (const auto& segment : OrThrow(store_.archive().Segments(stream, range))) {
    const TimeRange there = segment.row.range();
    if (!there.Overlaps(range)) continue;
    throw Problem{409,
                  "footage-there",
                  fmt::format("{} has footage from {} to {}, and none is put over it",
                              stream.text(), FormatTime(there.start_us), FormatTime(there.end_us)),
                  {{"start", FormatTime(there.start_us)}, {"end", FormatTime(there.end_us)}}};
  }
}

void Imports::CheckSpace(uint64_t bytes) {
  const Space spool = OrThrow(files_.FreeSpace(store_.data()));
  if (spool.free_bytes < bytes + kKeepFreeBytes) {
    throw Problem{
        507, "disk-full",
        fmt::format("{} are free in {}; it takes {} and leaves {}", FormatBytes(spool.free_bytes),
                    store_.data(), FormatBytes(bytes), FormatBytes(kKeepFreeBytes))};
  }
  uint64_t most = 0;
  for (const storage::Volume* volume : store_.volumes()) {
    if (volume->state() != storage::VolumeState::kOnline || volume->draining()) continue;
    const auto space = files_.FreeSpace(volume->root());
    if (space) most = std::max(most, space->free_bytes);
  }
  if (most < bytes + storage::kResumeFreeBytes) {
    throw Problem{507, "disk-full",
                  fmt::format("no volume has {} free and its reserve besides", FormatBytes(bytes))};
  }
}

// What a policy would delete or thin at once is not taken in, unless a hold keeps it.
void Imports::CheckRetention(const StreamId& stream, TimeRange range) {
  const auto policies = OrThrow(store_.catalog().Policies());
  const auto camera = OrThrow(store_.catalog().FindCamera(stream.camera));
  const index::Policy policy =
      storage::PolicyFor(policies, stream.camera, camera ? camera->group : "");
  const TimeUs now_us = clock_.NowUs();
  // Where both are set it is thinned first.
  const bool thins = policy.thin_days > 0;
  const uint32_t days = thins ? policy.thin_days : policy.max_days;
  if (days == 0 || range.start_us >= now_us - days * kUsPerDay) return;
  for (const index::Marker& marker : OrThrow(store_.catalog().Markers(stream.camera, range))) {
    const bool covers =
        marker.range.start_us <= range.start_us && marker.range.end_us >= range.end_us;
    if (covers && index::InForce(marker, now_us)) return;
  }
  throw Problem{
      409, "older-than-policy",
      fmt::format(
          "policy {}/{} {} footage of {} older than {}, and so this at once; a hold over {} "
          "to {} would keep it",
          policy.scope, policy.version, thins ? "thins" : "deletes", stream.camera.text(),
          Count(days, "day"), FormatTime(range.start_us), FormatTime(range.end_us))};
}

}  // namespace lookback::api
