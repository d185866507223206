#include "recorder/file_import.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "media/demuxer.h"
#include "media/fragmenter.h"
#include "recorder/clock_map.h"
#include "recorder/video_config.h"

namespace lookback::recorder {

using media::Sample;
using media::Sync;
using media::TrackKind;

// From samples to fragments of runs. What becomes of them is a subclass's.
class FileImport::Reading {
 public:
  Reading(const Options& options, const media::Demuxer& demuxer)
      : start_us_(options.start_us),
        first_shown_(demuxer.first_shown()),
        video_config_(demuxer.tracks().front().codec) {
    video_config_.AddFrom(demuxer.tracks().front());
    if (demuxer.tracks().size() > 1) audio_ = demuxer.tracks()[1];
  }
  virtual ~Reading() = default;

  Status Take(Sample sample) {
    return sample.track == TrackKind::kVideo ? TakePicture(std::move(sample))
                                             : TakeSound(std::move(sample));
  }

  Status EndRun() {
    if (!fragmenter_) return Ok();
    while (auto fragment = fragmenter_->Flush()) LB_TRY(Pass(std::move(*fragment)));
    fragmenter_.reset();
    return RunEnds();
  }

  uint64_t pictures() const { return pictures_; }
  uint64_t left_out() const { return left_out_; }
  const std::string& tracks() const { return tracks_; }

 protected:
  virtual Status RunBegins(const std::vector<media::TrackConfig>& tracks) = 0;
  virtual Status OnFragment(media::Fragment fragment) = 0;
  virtual Status RunEnds() = 0;

 private:
  TimeUs ShownAt(int64_t ticks) const {
    return start_us_ + TicksToUs(ticks - first_shown_, media::kVideoTimescale);
  }

  Status TakePicture(Sample sample) {
    const bool sets_in_band = video_config_.AddFrom(sample.data);
    const bool sync = sample.sync != Sync::kNone;
    if (fragmenter_) {
      const int64_t away_us = TicksToUs(sample.pts - last_, media::kVideoTimescale);
      const bool changed = sync && video_config_.changed() && video_config_.Config() != video_;
      if (away_us > kMaxPictureGapUs || away_us < -kMaxPictureGapUs || changed) LB_TRY(EndRun());
    }
    if (!fragmenter_) LB_TRY(BeginRun(sample));
    if (!fragmenter_) {
      ++left_out_;
      return Ok();
    }
    ++pictures_;
    last_ = std::max(last_, sample.pts);
    if (sync && !sets_in_band) sample.data = WithParameterSets(*video_, std::move(sample.data));
    sample.pts -= base_;
    return Push(std::move(sample));
  }

  Status BeginRun(const Sample& sample) {
    video_ = video_config_.Config();
    if (sample.sync == Sync::kNone || !video_) return Ok();
    if (ShownAt(sample.pts) < ended_us_) {
      return Fail(Code::kCorrupt, "its pictures' times run back");
    }
    std::vector<media::TrackConfig> configs{*video_};
    if (audio_) configs.push_back(*audio_);
    base_ = last_ = sample.pts;
    tracks_ = fmt::format("{} {}x{}", media::CodecString(*video_), video_->width, video_->height);
    if (audio_) tracks_ += ", " + media::CodecString(*audio_);
    fragmenter_ = std::make_unique<media::Fragmenter>(
        configs, [this](int64_t ticks) { return ShownAt(base_ + ticks); });
    return RunBegins(configs);
  }

  Status TakeSound(Sample sample) {
    if (!audio_) return Ok();
    const int64_t base = UsToTicks(TicksToUs(base_, media::kVideoTimescale), audio_->timescale);
    sample.pts -= base;
    if (!fragmenter_ || sample.pts < 0) {
      ++left_out_;
      return Ok();
    }
    return Push(std::move(sample));
  }

  Status Push(Sample sample) {
    auto fragment = fragmenter_->Push(std::move(sample));
    if (!fragment) {
      ++left_out_;
      return Ok();
    }
    return *fragment ? Pass(std::move(**fragment)) : Ok();
  }

  Status Pass(media::Fragment fragment) {
    const TimeRange range{fragment.info.start_us, fragment.info.end_us};
    if (range.start_us < kTimeMinUs || range.end_us > kTimeMaxUs) {
      return Fail(Code::kInvalid, "its times leave the years 1970 to 2200");
    }
    if (range.end_us - start_us_ > kMaxFileUs) {
      return Fail(Code::kInvalid, "by its times it is longer than 30 days");
    }
    ended_us_ = range.end_us;
    return OnFragment(std::move(fragment));
  }

  const TimeUs start_us_;
  const int64_t first_shown_;
  VideoConfig video_config_;
  std::optional<media::TrackConfig> video_;
  std::optional<media::TrackConfig> audio_;
  std::unique_ptr<media::Fragmenter> fragmenter_;
  int64_t base_ = 0;  // Of the run.
  int64_t last_ = 0;
  TimeUs ended_us_ = kTimeMinUs;
  uint64_t pictures_ = 0;
  uint64_t left_out_ = 0;
  std::string tracks_;
};

class FileImport::Looker : public Reading {
 public:
  using Reading::Reading;
  std::vector<TimeRange> runs;

 private:
  Status RunBegins(const std::vector<media::TrackConfig>&) override {
    if (runs.size() == index::kMaxImportRuns) {
      return Fail(Code::kInvalid, "it has more than 1,024 stretches between gaps");
    }
    runs.emplace_back();
    return Ok();
  }
  Status OnFragment(media::Fragment fragment) override {
    TimeRange& range = runs.back();
    if (range.empty()) range.start_us = fragment.info.start_us;
    range.end_us = fragment.info.end_us;
    return Ok();
  }
  Status RunEnds() override {
    if (runs.back().empty()) runs.pop_back();
    return Ok();
  }
};

class FileImport::Keeper : public Reading {
 public:
  Keeper(const Options& options, const media::Demuxer& demuxer, storage::Archive& archive,
         Clock& clock, const std::atomic<bool>& stop)
      : Reading(options, demuxer),
        stream_(options.stream),
        archive_(archive),
        clock_(clock),
        stop_(stop) {}
  std::vector<Uuid> runs;

 private:
  Status RunBegins(const std::vector<media::TrackConfig>& configs) override {
    storage::RunInfo info;
    info.stream = stream_;
    info.run = Uuid::Random();
    info.init = media::BuildInitSection(configs);
    info.tracks = tracks();
    info.imported = true;
    runs.push_back(info.run);
    LB_TRY_ASSIGN(recording, archive_.Begin(std::move(info)));
    recording_ = std::move(recording);
    return Ok();
  }

  Status OnFragment(media::Fragment fragment) override {
    const TimeUs end_us = fragment.info.end_us;
    ahead_bytes_ += fragment.info.length;
    LB_TRY(recording_->Append(std::move(fragment)));
    return ahead_bytes_ < kMaxAheadBytes ? Ok() : AwaitWritten(end_us);
  }

  Status AwaitWritten(TimeUs end_us) {
    const int64_t give_up_us = clock_.MonotonicUs() + kMaxWaitUs;
    while (recording_->written_until_us() < end_us) {
      if (stop_) return Fail(Code::kUnavailable, "it was stopped");
      if (clock_.MonotonicUs() > give_up_us) {
        return Fail(Code::kUnavailable, "no volume takes it; lookback status says why");
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    ahead_bytes_ = 0;
    return Ok();
  }

  Status RunEnds() override {
    recording_.reset();
    return Ok();
  }

  const StreamId stream_;
  storage::Archive& archive_;
  Clock& clock_;
  const std::atomic<bool>& stop_;
  std::unique_ptr<storage::Recording> recording_;
  uint64_t ahead_bytes_ = 0;
};

namespace {

Result<std::unique_ptr<media::Demuxer>> OpenDemuxer(const File& file, bool audio, Clock& clock,
                                                    const std::atomic<bool>& stop) {
  constexpr int64_t kTimeoutUs = 60 * kUsPerSecond;
  media::Demuxer::Options options;
  options.audio = audio;
  options.open_timeout_us = options.read_timeout_us = kTimeoutUs;
  return media::Demuxer::OpenFile(file, options, clock, stop);
}

Status ReadInto(media::Demuxer& demuxer, const std::function<Status(Sample)>& take,
                std::atomic<uint64_t>& progress_bytes) {
  uint64_t read = 0;
  while (true) {
    LB_TRY_ASSIGN(sample, demuxer.Next());
    if (!sample) return Ok();
    LB_TRY(take(std::move(*sample)));
    progress_bytes += demuxer.read_bytes() - read;
    read = demuxer.read_bytes();
  }
}

}  // namespace

Result<FileImport::Found> FileImport::Look() {
  LB_TRY_ASSIGN(demuxer, OpenDemuxer(file_, options_.audio, clock_, stop_));
  Looker looker(options_, *demuxer);
  LB_TRY(ReadInto(
      *demuxer, [&looker](Sample sample) { return looker.Take(std::move(sample)); },
      progress_bytes_));
  LB_TRY(looker.EndRun());
  if (looker.runs.empty()) {
    return Fail(Code::kInvalid,
                "no decoder could start anywhere in it: it has no sync sample with "
                "parameter sets");
  }
  Found found;
  found.runs = std::move(looker.runs);
  found.range = {found.runs.front().start_us, found.runs.back().end_us};
  found.tracks = looker.tracks();
  found.left_out = demuxer->left_out();
  found.pictures = looker.pictures();
  found.left_out_samples = looker.left_out();
  return found;
}

Result<std::vector<Uuid>> FileImport::Keep(storage::Archive& archive) {
  LB_TRY_ASSIGN(demuxer, OpenDemuxer(file_, options_.audio, clock_, stop_));
  Keeper keeper(options_, *demuxer, archive, clock_, stop_);
  LB_TRY(ReadInto(
      *demuxer, [&keeper](Sample sample) { return keeper.Take(std::move(sample)); },
      progress_bytes_));
  LB_TRY(keeper.EndRun());
  LB_TRY(archive.Drain());
  return std::move(keeper.runs);
}

}  // namespace lookback::recorder
