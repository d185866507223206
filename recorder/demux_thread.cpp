#include "recorder/demux_thread.h"

#include <fmt/format.h>

#include <utility>

#include "base/log.h"
#include "base/worker_pool.h"

namespace lookback::recorder {

std::optional<std::vector<media::TrackConfig>> DemuxFeed::TakeTracks() {
  const std::lock_guard lock(mutex_);
  return std::exchange(tracks_, std::nullopt);
}

std::vector<media::Sample> DemuxFeed::TakeSamples() {
  if (queue_.size() == 0) return {};  // Nobody else takes any, so that what is there stays.
  return queue_.PopAll();
}

std::optional<Error> DemuxFeed::ended() const {
  const std::lock_guard lock(mutex_);
  return ended_;
}

void DemuxFeed::Read(const std::string& url, const media::Demuxer::Options& options,
                     const Clock& clock) {
  NameThisThread("demux");
  Error error = ReadAll(url, options, clock);
  {
    const std::lock_guard lock(mutex_);
    ended_ = std::move(error);
  }
  done_ = true;
}

Error DemuxFeed::ReadAll(const std::string& url, const media::Demuxer::Options& options,
                         const Clock& clock) {
  auto demuxer = media::Demuxer::OpenUrl(url, options, clock, stop_);
  if (!demuxer) return demuxer.error();
  if (!(*demuxer)->left_out().empty()) {
    LogWarning("recorder", fmt::format("{}: {}", url, (*demuxer)->left_out()));
  }
  {
    const std::lock_guard lock(mutex_);
    tracks_ = (*demuxer)->tracks();
  }
  while (!stop_) {
    auto sample = (*demuxer)->Next();
    if (!sample) return sample.error();
    if (!*sample) return {Code::kUnavailable, "the other side ended the stream"};
    read_bytes_ = (*demuxer)->read_bytes();
    Push(std::move(**sample));
  }
  return {Code::kUnavailable, "it was stopped"};
}

void DemuxFeed::Push(media::Sample sample) {
  const bool sync = sample.track == media::TrackKind::kVideo && sample.sync != media::Sync::kNone;
  if (dropping_ && sync) sample.damaged = true;
  const uint64_t bytes = sample.data.size();
  if ((!dropping_ || sync) && queue_.TryPush(sample, bytes)) {
    dropping_ = false;
    return;
  }
  dropping_ = true;
  ++dropped_samples_;
}

DemuxThreads::~DemuxThreads() {
  const std::lock_guard lock(mutex_);
  for (Running& running : running_) running.feed->Stop();
  for (Running& running : running_) running.thread.join();
}

void DemuxThreads::Reap() {
  for (auto at = running_.begin(); at != running_.end();) {
    if (!at->feed->done_) {
      ++at;
      continue;
    }
    at->thread.join();
    at = running_.erase(at);
  }
}

Result<std::shared_ptr<DemuxFeed>> DemuxThreads::Start(std::string url,
                                                       media::Demuxer::Options options,
                                                       const Clock& clock) {
  const std::lock_guard lock(mutex_);
  Reap();
  if (running_.size() >= max_) {
    return Fail(Code::kUnavailable,
                fmt::format("{} threads read such cameras already, or still wait for name servers",
                            running_.size()));
  }
  auto feed = std::make_shared<DemuxFeed>();
  std::thread thread([feed, url = std::move(url), options = std::move(options), &clock] {
    feed->Read(url, options, clock);
  });
  running_.push_back({feed, std::move(thread)});
  return feed;
}

}  // namespace lookback::recorder
