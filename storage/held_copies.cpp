#include "storage/held_copies.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <tuple>
#include <vector>

#include "base/log.h"
#include "base/worker_pool.h"
#include "storage/purger.h"
#include "storage/segment_copy.h"

namespace lookback::storage {
namespace {

constexpr int64_t kLookShare = 20;  // A look takes one part of so many of the time.

// A volume as a look finds it.
struct Place {
  Volume* volume = nullptr;
  bool takes = false;   // Copies may be written there, above
  uint64_t kept = 0;    // what retention keeps free.
  uint64_t room = 0;    // What is free above that.
  bool ailing = false;  // In trouble, or with damage on it.

  Status Measure() {
    LB_TRY_ASSIGN(space, volume->FreeSpace());
    room = space.free_bytes > kept ? space.free_bytes - kept : 0;
    return Ok();
  }
};

struct Task {
  bool ailing = false;
  index::Seal row;
  std::vector<Uuid> files;  // Where the segment is on record, its own volume first.
};
struct MoreUrgent {
  bool operator()(const Task& a, const Task& b) const { return Order(a) < Order(b); }
  static std::tuple<bool, TimeUs, index::SegmentKey> Order(const Task& task) {
    return {!task.ailing, task.row.start_us, index::KeyOf(task.row)};
  }
};
using Batch = std::set<Task, MoreUrgent>;

// Of a segment that could not be read.
struct Failed {
  int64_t at_us = 0;  // Monotonic.
  std::string why;
};

struct Look {
  HeldCounts all;
  std::map<Uuid, HeldCounts> holds;
  Batch batch;  // The most urgent.
};

class HeldCopiesThread : public HeldCopies {
 public:
  HeldCopiesThread(Store& store, Clock& clock, uint64_t bytes_per_second)
      : store_(store), clock_(clock), bytes_per_second_(bytes_per_second) {}

  ~HeldCopiesThread() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    if (thread_.joinable()) thread_.join();
  }

  void StartThread() override {
    thread_ = std::thread([this] {
      NameThisThread("held-copies");
      LowerThisThread();
      Work();
    });
  }

  void RunOnce(const Pace::Wait& wait) override {
    Pace pace(clock_, store_.archive(), bytes_per_second_, wait);
    const OnRead take = [&pace](uint64_t bytes) { return pace.Take(bytes); };
    Status done = Ok();
    while (done && !stopping_ && Ready()) {
      auto look = LookAround();
      if (!look) {
        done = Pass(look.error());
        break;
      }
      Tell(*look);
      if (look->batch.empty()) break;
      for (const Task& task : look->batch) {
        done = Copy(task, take);
        if (!done) break;
      }
    }
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    if (!done && state_.trouble != done.message()) LogWarning("held-copies", done.message());
    state_.trouble = failed_.empty() ? "" : failed_.begin()->second.why;
    if (!done) state_.trouble = done.message();
  }

  State Report() const override {
    const std::lock_guard lock(mutex_);
    return state_;
  }

 private:
  void Work() {
    const Pace::Wait wait = [this](int64_t us) {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, std::chrono::microseconds(us), [this] { return stopping_.load(); });
      return !stopping_;
    };
    while (wait(std::max(kHeldLookUs, look_us_ * kLookShare))) RunOnce(wait);
  }

  bool Ready() const { return store_.recovery().finished && !store_.journal().catalog_behind(); }

  void Tell(const Look& look) {
    const std::lock_guard lock(mutex_);
    state_.looked = true;
    state_.all = look.all;
    state_.holds = look.holds;
  }

  Status FindPlaces() {
    places_.clear();
    LB_TRY_ASSIGN(hour_bytes, LastHourBytes(store_.catalog(), clock_.NowUs()));
    const std::vector<VolumeTrouble> troubles = store_.archive().Troubles();
    for (Volume* volume : store_.volumes()) {
      if (volume->state() == VolumeState::kOffline) continue;
      Place place{volume};
      place.ailing = volume->state() != VolumeState::kOnline ||
                     std::any_of(troubles.begin(), troubles.end(), [&](const auto& trouble) {
                       return trouble.root == volume->root();
                     });
      place.takes = !place.ailing && !volume->draining();
      if (const auto space = volume->FreeSpace()) {
        place.kept = VolumeLimits(volume->root(), *space, hour_bytes[volume->id()]).pressure_bytes;
      }
      place.takes = place.takes && place.Measure();
      places_.push_back(place);
    }
    damaged_.clear();
    for (const Damage& damage : store_.archive().damage().All()) {
      LB_TRY_ASSIGN(row, store_.catalog().FindSegment(damage.segment));
      if (!row || !damage.IsOn(row->volume)) continue;  // A copy has taken that file's place.
      damaged_.insert(damage.segment);
      Place* const place = Find(row->volume);
      if (place != nullptr) place->ailing = true;
    }
    return Ok();
  }

  Place* Find(const Uuid& id) {
    const auto found = std::find_if(places_.begin(), places_.end(),
                                    [&id](const Place& place) { return place.volume->id() == id; });
    return found == places_.end() ? nullptr : &*found;
  }

  Result<Look> LookAround() {
    const int64_t began_us = clock_.MonotonicUs();
    LB_TRY(FindPlaces());
    std::erase_if(failed_,
                  [&](const auto& f) { return began_us - f.second.at_us >= kHeldRetryUs; });
    LB_TRY_ASSIGN(holds, store_.catalog().Markers(CameraId(), kAllTime));  // By start.
    const TimeUs now_us = clock_.NowUs();
    Look look;
    std::map<CameraId, std::vector<const index::Marker*>> by_camera;
    for (const index::Marker& hold : holds) {
      if (!index::InForce(hold, now_us)) continue;
      look.holds[hold.id];
      for (const CameraId& camera : hold.cameras) by_camera[camera].push_back(&hold);
    }
    for (const auto& [camera, of_camera] : by_camera) {
      for (const Stream stream : {Stream::kMain, Stream::kSub}) {
        LB_TRY(LookAt({camera, stream}, of_camera, look));
      }
    }
    look_us_ = clock_.MonotonicUs() - began_us;
    return look;
  }

  // `holds` are of one camera, by start: what overlaps is gone through once.
  Status LookAt(const StreamId& stream, const std::vector<const index::Marker*>& holds,
                Look& look) {
    std::optional<index::SegmentKey> last;
    for (size_t first = 0, end = 0; first < holds.size(); first = end) {
      TimeRange range = holds[first]->range;
      for (end = first + 1; end < holds.size() && holds[end]->range.start_us <= range.end_us;
           ++end) {
        range.end_us = std::max(range.end_us, holds[end]->range.end_us);
      }
      Status counted = Ok();
      LB_TRY(store_.catalog().VisitSegments(stream, range, [&](const index::Seal& row) {
        const index::SegmentKey key = index::KeyOf(row);
        if (last && key <= *last) return true;
        last = key;
        const auto why = Judge(row, look.batch);
        if (!why) counted = Pass(why.error());
        if (!counted) return false;
        const auto count = [&](HeldCounts& counts) {
          ++counts.segments;
          if (*why != nullptr) ++(counts.*(*why));
        };
        count(look.all);
        for (size_t i = first; i < end && holds[i]->range.start_us < row.end_us; ++i) {
          if (holds[i]->range.Overlaps(row.range())) count(look.holds[holds[i]->id]);
        }
        return !stopping_;
      }));
      LB_TRY(std::move(counted));
    }
    return Ok();
  }

  // What it lacks a second copy for; nullptr: it has one.
  using Why = uint64_t HeldCounts::*;
  Result<Why> Judge(const index::Seal& row, Batch& batch) {
    const index::SegmentKey key = index::KeyOf(row);
    LB_TRY_ASSIGN(files, store_.catalog().CopiesOf(key));
    files.insert(files.begin(), row.volume);
    size_t sound = 0, there = 0;
    for (const Uuid& id : files) {
      const Place* const place = Find(id);
      if (place == nullptr || (id == row.volume && damaged_.contains(key))) continue;
      ++there;
      // Of a volume that failed it can perhaps be read, and does not count as safe.
      sound += place->volume->state() == VolumeState::kOnline;
    }
    if (sound >= 2) return Why(nullptr);
    if (there == 0 || failed_.contains(key)) return Why(&HeldCounts::unreadable);
    bool other = false;
    if (ChooseTarget(files, row.bytes, other) == nullptr) {
      return other ? Why(&HeldCounts::no_space) : Why(&HeldCounts::one_volume);
    }
    const Place* const own = Find(row.volume);
    batch.insert({own != nullptr && own->ailing, row, std::move(files)});
    if (batch.size() > kHeldBatch) batch.erase(std::prev(batch.end()));
    return Why(&HeldCounts::waiting);
  }

  // The one with the most room of those that can take it; `other`: there is one, room or not.
  Place* ChooseTarget(const std::vector<Uuid>& files, uint64_t bytes, bool& other) {
    Place* best = nullptr;
    for (Place& place : places_) {
      if (!place.takes ||
          std::find(files.begin(), files.end(), place.volume->id()) != files.end()) {
        continue;
      }
      other = true;
      if (place.room < bytes) continue;
      if (best == nullptr || place.room > best->room) best = &place;
    }
    return best;
  }

  // An error ends the round; what is wrong with one segment alone is none.
  Status Copy(const Task& task, const OnRead& take) {
    const index::SegmentKey key = index::KeyOf(task.row);
    bool other = false;
    Place* const target = ChooseTarget(task.files, task.row.bytes, other);
    if (target == nullptr) return Ok();  // What came before took the room.
    Volume& to = *target->volume;
    LB_TRY(target->Measure());  // Recording has taken of it since the look.
    if (target->room < task.row.bytes) return Ok();
    const Status written = Write(task, to, take);
    if (!written && (written.code() == Code::kCorrupt || written.code() == Code::kNotFound)) {
      failed_[key] = {clock_.MonotonicUs(), written.message()};
      LogWarning("held-copies", written.message());
      return Ok();
    }
    if (!written) return written;
    const Status recorded = store_.RecordCopy({key, to.id(), task.row.sha256, /*gone=*/false});
    if (!recorded) {
      // Of what is not on record yet, and may be soon, the file stays: the next look takes it up.
      const bool pointless = recorded.code() == Code::kNotFound || recorded.code() == Code::kDenied;
      if (pointless) (void)to.Remove(key);
      return pointless ? Ok() : recorded;
    }
    const std::lock_guard lock(mutex_);
    ++state_.copied_segments;
    state_.copied_bytes += task.row.bytes;
    return Ok();
  }

  Status Write(const Task& task, Volume& to, const OnRead& take) {
    const index::SegmentKey key = index::KeyOf(task.row);
    Status last = Fail(Code::kNotFound, "no file of a held segment can be opened");
    for (const Uuid& id : task.files) {
      Place* const place = Find(id);
      if (place == nullptr) continue;
      const auto from = place->volume->Open(key);
      if (!from) {
        // Whatever it is, it is of this segment's volume: the round goes on with the others.
        last = Fail(Code::kNotFound, from.error().message);
        continue;
      }
      last = CopySegment(**from, task.row, to, take);
      if (!last && last.code() == Code::kConflict) last = TakeUp(task, **from, to, take);
      if (last || last.code() != Code::kCorrupt) return last;
    }
    return last;
  }

  // A file stands there that is not on record: of a try whose record did not come.
  Status TakeUp(const Task& task, const File& from, Volume& to, const OnRead& take) {
    const index::SegmentKey key = index::KeyOf(task.row);
    const Status whole = CheckCopy(to, task.row, take);
    if (whole || whole.code() != Code::kCorrupt) return whole;
    LB_TRY_ASSIGN(on_record, store_.catalog().HasCopy(key, to.id()));
    LB_TRY_ASSIGN(row, store_.catalog().FindSegment(key));
    if (on_record || !row || row->volume == to.id()) {
      return Fail(Code::kConflict, "a held segment is on record on " + to.root() + " already");
    }
    LB_TRY(to.Remove(key));
    return CopySegment(from, task.row, to, take);
  }

  Store& store_;
  Clock& clock_;
  const uint64_t bytes_per_second_;

  // Of whoever runs.
  std::vector<Place> places_;
  std::set<index::SegmentKey> damaged_;
  std::map<index::SegmentKey, Failed> failed_;
  int64_t look_us_ = 0;

  std::atomic<bool> stopping_{false};
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  State state_;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<HeldCopies> HeldCopies::Open(Store& store, Clock& clock,
                                             uint64_t bytes_per_second) {
  return std::make_unique<HeldCopiesThread>(store, clock, bytes_per_second);
}

}  // namespace lookback::storage
