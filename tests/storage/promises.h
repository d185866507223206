// tests/storage/promises.h: what a store promised and when, and whether one that is opened on what
// is left of its disk keeps it.
//
// A step is how many changes of the disk there had been. What was answered at a step binds every
// cut from there on; what was begun at a step may show, or not, in every later cut.
//
// Threads:   one.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "base/checksum.h"
#include "storage/check.h"
#include "storage/purger.h"
#include "storage/store.h"

namespace lookback::test {

using Step = uint64_t;

// Why a store does not keep its word, a sentence each; none: it does.
using Problems = std::vector<std::string>;

class Promises {
 public:
  // Before the call:
  void Appending(const storage::RunInfo& run, const media::Fragment& fragment);
  void Deleting(const index::Seal& row, Step at);
  void Thinning(const index::Seal& row, Step at);
  void Releasing(const Uuid& hold, Step at);
  // After its answer:
  void DurableUntil(const StreamId& stream, TimeUs until_us, Step at);
  void Deleted(const index::SegmentKey& key, Step at);
  void Thinned(const index::SegmentKey& key, Step at);
  void Put(const index::Marker& marker, Step at);
  void Put(const index::Policy& policy, Step at);
  void Opened(storage::Store& store, Step at);  // Its epoch.
  void Ledger(storage::Store& store, Step at);  // All records so far, by their root.

  // Holds against it a store that has finished its recovery. The disk is one that each
  // of `cuts` may have left.
  Problems Check(storage::Store& store, const std::vector<Step>& cuts) const;
  // Whether a hold that binds at `cut` touches the range.
  bool Held(const CameraId& camera, TimeRange range, Step cut) const;

 private:
  using FragmentName = std::tuple<std::string, std::string, uint32_t>;  // Stream, run, number.
  struct Fragment {
    StreamId stream;
    TimeRange range;
    Xxh128 digest{};
    std::optional<Step> durable;
    std::optional<Step> deleting;
    std::optional<Step> thinning;
    Bytes sync;  // Its first picture, which thinning leaves.
  };
  struct Deletion {
    index::Seal row;
    Step begun = 0;
    std::optional<Step> answered;
  };
  struct PutMarker {
    index::Marker marker;
    Step answered = 0;
    std::optional<Step> releasing;

    bool Binds(Step cut) const { return answered <= cut && (!releasing || cut <= *releasing); }
  };
  struct Root {
    uint64_t size = 0;
    Sha256Digest digest{};
    Step answered = 0;
  };

  void CheckFootage(storage::Store& store, const std::vector<Step>& cuts, Problems& out) const;
  // Whether it is as it was given, or what thinning leaves of that.
  static bool IsAsGiven(const Fragment& given, bool thinned, const media::FragmentInfo& info,
                        const Bytes& bytes);
  void CheckDeletions(storage::Store& store, Step cut, Problems& out) const;
  void CheckThinnings(storage::Store& store, Step cut, Problems& out) const;
  void CheckRecords(storage::Store& store, Step cut, Problems& out) const;

  std::map<FragmentName, Fragment> fragments_;
  std::vector<Deletion> deletions_, thinnings_;
  std::vector<PutMarker> markers_;
  std::vector<std::pair<index::Policy, Step>> policies_;
  std::vector<std::pair<uint32_t, Step>> epochs_;
  std::vector<Root> roots_;
};

struct Trial {
  storage::StoreOptions options;
  std::vector<Step> cuts;
  bool may_freeze = false;  // Deletion may wait for somebody to confirm the policies.
};

// Opens the store, holds it against the promises, tries to delete what is held, purges, records
// something new, closes, and has fsck look at every byte.
Problems TryStore(const Trial& trial, const Promises& promises, Clock& clock, FileSystem& files);

// LOOKBACK_SEED, or a new one.
uint64_t SeedFromEnvironment();

}  // namespace lookback::test
