#include "storage/scrubber.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "base/log.h"
#include "base/worker_pool.h"
#include "storage/layout.h"
#include "storage/scrub.h"

namespace lookback::storage {
namespace {

constexpr size_t kBatch = 64;         // Rows read at once.
constexpr uint64_t kMaxLogged = 100;  // Findings of a pass that the log names one by one.

// A volume, and how far its pass is.
struct Slot {
  Volume* volume = nullptr;
  VolumeScrub scrub;
  uint64_t generation = 0;  // Of the pass: another one when it begins anew.
  bool asked = false;
  std::string hindrance;
};

class ScrubberImpl : public Scrubber {
 public:
  ScrubberImpl(Store& store, Clock& clock, FileSystem& files, const Options& options)
      : store_(store),
        clock_(clock),
        files_(files),
        interval_us_(options.interval_us),
        bytes_per_second_(options.bytes_per_second),
        path_(JoinPath(store.data(), kScrubStateFile)) {
    FindVolumes();
    Restore();
  }

  ~ScrubberImpl() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
    Save();
  }

  void StartThreads() override {
    const std::lock_guard lock(mutex_);
    threaded_ = true;
    for (Slot& slot : slots_) BeginThread(slot);
  }

  void RunDue(const Pace::Wait& wait) override {
    for (Slot* slot : FindVolumes()) Run(*slot, wait);
  }

  void BeginPass() override {
    FindVolumes();
    {
      const std::lock_guard lock(mutex_);
      for (Slot& slot : slots_) {
        Begin(slot);
        slot.asked = true;
      }
    }
    wake_.notify_all();
  }

  void Use(const Options& options) override {
    interval_us_ = options.interval_us;
    bytes_per_second_ = options.bytes_per_second;
  }
  Options options() const override { return {interval_us_, bytes_per_second_}; }
  uint64_t checked_bytes() const override { return checked_bytes_; }

  std::vector<VolumeReport> Report() const override {
    const std::lock_guard lock(mutex_);
    std::vector<VolumeReport> reports;
    for (const Slot& slot : slots_) {
      if (IsRemoved(slot)) continue;
      reports.push_back({slot.volume->root(), slot.volume->state() == VolumeState::kOnline,
                         slot.scrub, NextOf(slot), slot.hindrance});
    }
    return reports;
  }

 private:
  static bool IsRemoved(const Slot& slot) { return slot.volume->state() == VolumeState::kRemoved; }

  // Those there are, after a look for new ones.
  std::vector<Slot*> FindVolumes() {
    const std::vector<Volume*> volumes = store_.volumes();
    const std::lock_guard lock(mutex_);
    std::vector<Slot*> found;
    for (Volume* volume : volumes) {
      auto slot = std::find_if(slots_.begin(), slots_.end(),
                               [volume](const Slot& s) { return s.volume == volume; });
      if (slot == slots_.end()) {
        Slot& added = slots_.emplace_back();
        added.volume = volume;
        added.scrub.volume = volume->id();
        if (threaded_ && !stopping_) BeginThread(added);
        found.push_back(&added);
      } else {
        found.push_back(&*slot);
      }
    }
    return found;
  }

  void BeginThread(Slot& slot) {
    threads_.emplace_back([this, &slot] { Work(slot); });
  }

  // The file is a help, not a record: without it everything is checked anew.
  void Restore() {
    const auto bytes = ReadFile(files_, path_, kMaxScrubStateBytes);
    if (!bytes && bytes.code() == Code::kNotFound) return;
    auto state = bytes ? ParseScrubState(*bytes) : Result<ScrubState>(Pass(bytes.error()));
    if (!state) {
      return LogWarning("scrub", "the scrub begins anew: " + state.message());
    }
    for (VolumeScrub& known : state->volumes) {
      for (Slot& slot : slots_) {
        if (slot.volume->id() != known.volume) continue;
        slot.scrub = std::move(known);
        break;
      }
    }
    for (Damage& damage : state->damage) list().Add(std::move(damage));
    ForgetGone();
    saved_ = *std::move(bytes);
  }

  DamageList& list() { return store_.archive().damage(); }

  void Work(Slot& slot) {
    NameThisThread("scrub");
    LowerThisThread();
    const Pace::Wait wait = [this](int64_t us) {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, std::chrono::microseconds(us), [this] { return stopping_; });
      return !stopping_;
    };
    std::unique_lock lock(mutex_);
    while (!stopping_ && !IsRemoved(slot)) {
      slot.asked = false;
      lock.unlock();
      FindVolumes();
      Run(slot, wait);
      lock.lock();
      wake_.wait_for(lock, std::chrono::microseconds(kScrubLookUs),
                     [&] { return stopping_ || slot.asked; });
    }
  }

  // Under `mutex_`.
  void Begin(Slot& slot) {
    VolumeScrub& scrub = slot.scrub;
    scrub.pass = {};
    scrub.pass.began_us = clock_.NowUs();
    scrub.origin = scrub.cursor;
    scrub.wrapped = false;
    scrub.segments = scrub.bytes = 0;
    ++slot.generation;
  }

  TimeUs NextOf(const Slot& slot) const {
    const int64_t interval_us = interval_us_;
    if (interval_us == 0) return 0;
    const TimeUs last_us = slot.scrub.last.began_us;
    const TimeUs now_us = clock_.NowUs();
    // A beginning that is yet to come is a clock that was wrong then, or is now.
    return last_us == 0 || last_us > now_us ? now_us : last_us + interval_us;
  }

  // Whether a pass is under way, which is begun when its time has come.
  bool BeginIfDue(Slot& slot) {
    const std::lock_guard lock(mutex_);
    if (slot.scrub.pass.began_us != 0) return true;
    const TimeUs next_us = NextOf(slot);
    if (next_us == 0 || clock_.NowUs() < next_us) return false;
    Begin(slot);
    return true;
  }

  void Run(Slot& slot, const Pace::Wait& wait) {
    if (BeginIfDue(slot)) {
      Pace pace(clock_, store_.archive(), bytes_per_second_, wait);
      const Status done = RunPass(slot, pace);
      const std::lock_guard lock(mutex_);
      if (!done && !stopping_ && slot.hindrance != done.message()) {
        LogWarning("scrub", "this pass goes on later: " + done.message());
      }
      slot.hindrance = done ? "" : done.message();
    }
    Save();
  }

  Status RunPass(Slot& slot, Pace& pace) {
    while (true) {
      LB_TRY(Count(slot));
      const auto [scrub, generation] = Standing(slot);
      LB_TRY_ASSIGN(batch, NextSegments(scrub));
      if (batch.empty() && EndOrWrap(slot, generation)) return Ok();
      for (const index::Seal& seal : batch) {
        pace.SetRate(bytes_per_second_);
        LB_TRY_ASSIGN(goes_on, Check(slot, generation, seal, pace));
        if (!goes_on) break;
      }
    }
  }

  std::pair<VolumeScrub, uint64_t> Standing(const Slot& slot) const {
    const std::lock_guard lock(mutex_);
    return {slot.scrub, slot.generation};
  }

  // What the pass has to check: for whoever watches it.
  Status Count(Slot& slot) {
    const auto [standing, generation] = Standing(slot);
    if (standing.segments != 0 || standing.bytes != 0) return Ok();
    uint64_t segments = 0;
    uint64_t bytes = 0;
    LB_TRY(store_.catalog().VisitAllSegments(
        standing.volume, [&, &scrub = standing](const index::Seal& seal, bool here) {
          if (!here || !IsDue(scrub, seal)) return true;
          ++segments;
          bytes += seal.bytes;
          return true;
        }));
    const std::lock_guard lock(mutex_);
    if (generation != slot.generation) return Ok();
    slot.scrub.segments = segments;
    slot.scrub.bytes = bytes;
    return Ok();
  }

  // Whether the pass has to check it, where the volume has a file of it.
  static bool IsDue(const VolumeScrub& scrub, const index::Seal& seal) {
    return seal.start_us < scrub.pass.began_us;
  }

  // Those behind the cursor, up to where the pass began once it has gone round; by key.
  Result<std::vector<index::Seal>> NextSegments(const VolumeScrub& scrub) const {
    LB_TRY_ASSIGN(totals, store_.catalog().Totals());
    std::sort(totals.begin(), totals.end(),
              [](const auto& a, const auto& b) { return a.stream < b.stream; });
    std::vector<index::Seal> batch;
    for (const index::StreamTotals& stream : totals) {
      if (batch.size() == kBatch) break;
      if (scrub.cursor && stream.stream < scrub.cursor->stream) continue;
      if (scrub.wrapped && scrub.origin && stream.stream > scrub.origin->stream) break;
      const bool within = scrub.cursor && stream.stream == scrub.cursor->stream;
      const TimeRange rest{within ? scrub.cursor->start_us : kTimeMinUs, kTimeMaxUs};
      const auto add = [&](const index::Seal& seal, bool here) {
        const index::SegmentKey key = index::KeyOf(seal);
        if (scrub.cursor && key <= *scrub.cursor) return true;
        if (scrub.wrapped && scrub.origin && key > *scrub.origin) return false;
        if (here && IsDue(scrub, seal)) batch.push_back(seal);
        return batch.size() < kBatch;
      };
      LB_TRY(store_.catalog().VisitSegments(stream.stream, rest, scrub.volume, add));
    }
    return batch;
  }

  // Nothing is behind the cursor: true when the pass is done.
  bool EndOrWrap(Slot& slot, uint64_t generation) {
    const std::lock_guard lock(mutex_);
    VolumeScrub& scrub = slot.scrub;
    if (generation != slot.generation) return false;
    if (scrub.origin && !scrub.wrapped) {
      scrub.wrapped = true;
      scrub.cursor.reset();
      return false;
    }
    if (!scrub.cursor) scrub.cursor = scrub.origin;
    scrub.last = std::exchange(scrub.pass, {});
    scrub.last.ended_us = clock_.NowUs();
    scrub.origin.reset();
    scrub.wrapped = false;
    LogInfo("scrub", fmt::format("{}: {} segments, {} bytes checked in {}; {} findings",
                                 slot.volume->root(), scrub.last.segments, scrub.last.bytes,
                                 FormatDuration(scrub.last.ended_us - scrub.last.began_us),
                                 scrub.last.findings));
    return true;
  }

  // False when the pass was begun anew meanwhile: the segment is looked at again.
  Result<bool> Check(Slot& slot, uint64_t generation, const index::Seal& seal, Pace& pace) {
    if (slot.volume->state() != VolumeState::kOnline) {
      return Fail(Code::kUnavailable, fmt::format("volume {} is {}", slot.volume->root(),
                                                  VolumeStateName(slot.volume->state())));
    }
    const index::SegmentKey key = index::KeyOf(seal);
    LB_TRY_ASSIGN(found, Look(*slot.volume, seal, pace));
    if (!found.empty()) LB_TRY(CheckAttached(*slot.volume, store_.id(), files_));
    LB_TRY_ASSIGN(row, store_.catalog().FindSegment(key));
    const bool stands = row && row->volume == seal.volume && row->thinned == seal.thinned;
    if (!stands) found.clear();  // Retention took it meanwhile, or another file its place.
    const uint64_t count = found.size();
    Tell(slot, found);
    if (seal.volume == slot.volume->id()) {
      if (stands || !row) list().Replace(key, std::move(found));
    } else if (!found.empty()) {
      LoseCopy(*slot.volume, seal, found.front());
    }
    {
      const std::lock_guard lock(mutex_);
      if (generation != slot.generation) return false;
      slot.scrub.cursor = key;
      ++slot.scrub.pass.segments;
      slot.scrub.pass.bytes += seal.bytes;
      slot.scrub.pass.findings += count;
    }
    if (clock_.MonotonicUs() - saved_at_us_ >= kScrubSaveUs) Save();
    return true;
  }

  Result<std::vector<Damage>> Look(Volume& volume, const index::Seal& seal, Pace& pace) {
    const auto file = volume.Open(index::KeyOf(seal));
    if (!file) {
      const bool gone = file.code() == Code::kNotFound;
      return std::vector<Damage>{
          gone ? DamagedSegment(seal, "its file is gone", index::GapCause::kMissing)
               : DamagedSegment(seal, file.message())};
    }
    (*file)->ForgetCached();
    auto found = CheckSegment(**file, seal, store_.id(), [&](uint64_t bytes) {
      checked_bytes_ += bytes;
      return pace.Take(bytes);
    });
    (*file)->ForgetCached();  // Others' files are of more use in memory.
    return found;
  }

  // A copy that is not what was sealed is none; another one is made while a hold asks for
  // it. It stays where the segment's own is damaged too, or cannot be opened: it may have
  // what is not elsewhere.
  void LoseCopy(Volume& volume, const index::Seal& seal, const Damage& damage) {
    const index::SegmentKey key = index::KeyOf(seal);
    const auto others = list().Find(seal.stream, seal.range());
    if (damage.cause != index::GapCause::kMissing &&
        std::any_of(others.begin(), others.end(),
                    [&key](const Damage& other) { return other.segment == key; })) {
      return;
    }
    const auto volumes = store_.volumes();
    const bool own_is_there = std::any_of(volumes.begin(), volumes.end(), [&](Volume* other) {
      return other->id() == seal.volume && other->Open(key).has_value();
    });
    if (damage.cause != index::GapCause::kMissing && !own_is_there) return;
    Status done = store_.RecordCopy({key, volume.id(), seal.sha256, /*gone=*/true});
    if (done && damage.cause != index::GapCause::kMissing) done = volume.Remove(key);
    if (!done)
      LogWarning("scrub", "a damaged copy stays on " + volume.root() + ": " + done.message());
  }

  void Tell(const Slot& slot, const std::vector<Damage>& found) {
    uint64_t told = Standing(slot).first.pass.findings;
    for (const Damage& damage : found) {
      if (told++ >= kMaxLogged) return;
      LogError("scrub", fmt::format("{} {} to {}: {}", damage.segment.stream.text(),
                                    FormatTime(damage.range.start_us),
                                    FormatTime(damage.range.end_us), damage.what));
    }
  }

  // What was deleted since is damaged no more, nor a file whose place a copy has taken.
  void ForgetGone() {
    const std::vector<Damage> all = list().All();
    for (auto from = all.begin(); from != all.end();) {
      const auto to = std::find_if(
          from, all.end(), [&](const Damage& damage) { return damage.segment != from->segment; });
      const TimeUs start_us = from->segment.start_us;
      // One that is still being written is not in the catalog yet.
      const auto rows = store_.archive().Segments(from->segment.stream, {start_us, start_us + 1});
      std::vector<Damage> stands(from, to);
      std::erase_if(stands, [&](const Damage& damage) {
        return rows && std::none_of(rows->begin(), rows->end(), [&](const auto& segment) {
                 return index::KeyOf(segment.row) == damage.segment &&
                        damage.IsOn(segment.row.volume);
               });
      });
      if (stands.size() < static_cast<size_t>(to - from)) {
        list().Replace(from->segment, std::move(stands));
      }
      from = to;
    }
  }

  // Writes the state, if it is another one.
  void Save() {
    const std::lock_guard saving(save_mutex_);
    ForgetGone();
    ScrubState state;
    {
      const std::lock_guard lock(mutex_);
      for (const Slot& slot : slots_) {
        if (!IsRemoved(slot)) state.volumes.push_back(slot.scrub);
      }
    }
    state.damage = list().All();
    saved_at_us_ = clock_.MonotonicUs();
    Bytes bytes = EncodeScrubState(state);
    if (bytes == saved_) return;
    const Status written = WriteFileDurably(files_, path_, bytes);
    if (!written) return LogWarning("scrub", "the state is not kept: " + written.message());
    saved_ = std::move(bytes);
  }

  Store& store_;
  Clock& clock_;
  FileSystem& files_;
  std::atomic<int64_t> interval_us_;
  std::atomic<uint64_t> bytes_per_second_;
  const std::string path_;
  std::atomic<uint64_t> checked_bytes_{0};

  std::mutex save_mutex_;  // Of what the file holds.
  Bytes saved_;
  std::atomic<int64_t> saved_at_us_{0};

  mutable std::mutex mutex_;  // Of the slots, but for their volumes.
  std::condition_variable wake_;
  bool threaded_ = false;
  bool stopping_ = false;
  std::deque<Slot> slots_;  // Only ever added to.
  std::vector<std::thread> threads_;
};

}  // namespace

std::unique_ptr<Scrubber> Scrubber::Open(Store& store, Clock& clock, FileSystem& files,
                                         const Options& options) {
  return std::make_unique<ScrubberImpl>(store, clock, files, options);
}

}  // namespace lookback::storage
