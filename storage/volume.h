// storage/volume.h: a place that holds segments: a directory on one file system today.
//
// Invariant: a volume is used only while its volume.json names our store and its own UUID.
//            A directory that was a volume and is empty now is not initialised again:
//            its disk is not mounted. One that was removed from the store stays so: who has it
//            back has another object.
// Threads:   any.
// Errors:    of base/file_system.h, with the volume's root in the message.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "index/records.h"

namespace lookback::storage {

enum class VolumeState : uint8_t {
  kOnline,
  kOffline,  // Not there, or what is there is not ours.
  kFailed,   // A write or sync failed; Probe() may bring it back.
  kRemoved,  // From the store, by a person.
};
std::string_view VolumeStateName(VolumeState state);

class Volume;
// Where a segment's file is, or would be.
std::string PathOn(const Volume& volume, const index::SegmentKey& key);

class Volume {
 public:
  virtual ~Volume() = default;

  virtual const Uuid& id() const = 0;
  virtual const std::string& root() const = 0;
  virtual VolumeState state() const = 0;
  // False when it is offline or removed, or was not under its root when that was last
  // looked at. Asks no disk.
  bool there() const {
    const VolumeState now = state();
    return !gone_ && now != VolumeState::kOffline && now != VolumeState::kRemoved;
  }
  virtual std::string why() const = 0;  // Why it is not online; empty: it is.
  virtual void SetFailed(const std::string& why) = 0;

  // No new segment comes to a draining volume while another one takes footage (archive.h).
  bool draining() const { return draining_; }
  void SetDraining(bool draining) { draining_ = draining; }
  // With true: once it returns, each Create() fails, and none is under way any more.
  virtual void RefuseNew(bool refuse) = 0;
  // For good; lets go of the disk, so that it can be unmounted.
  virtual void SetRemoved() = 0;

  // A file that comes from here is durable, with its directories, after its own Sync() too.
  virtual Result<std::unique_ptr<File>> Create(const index::SegmentKey& key) = 0;  // Never exists.
  // To read. kNotFound: the volume is there, and the file is not; kUnavailable: the volume is not.
  virtual Result<std::unique_ptr<File>> Open(const index::SegmentKey& key) = 0;
  virtual Result<std::unique_ptr<File>> OpenToRepair(const index::SegmentKey& key) = 0;
  virtual Status Remove(const index::SegmentKey& key) = 0;
  // Moves a file without a good fragment to <volume>/quarantine/, for a person to look at.
  virtual Status Quarantine(const index::SegmentKey& key) = 0;

  // Makes everything written so far durable, directories too: one syncfs(2) where the volume is a
  // mount of its own, else one fdatasync(2) for each file written since the last call. After an
  // error all that was not durable before is in doubt; a further call does not cover it.
  virtual Status Sync() = 0;
  // Checks the identity again, then writes, syncs and removes a small file. A failed volume is
  // online again when that works.
  virtual Status Probe() = 0;
  // Of an OFFLINE volume: looks whether its root is there again, with its identity, and takes
  // writes. It is online then.
  virtual Status Return() = 0;
  virtual Result<Space> FreeSpace() = 0;

  // The directory of the ledger's copy, made when it is not there, once the root
  // was seen to be ours.
  virtual Result<std::string> LedgerDirectory() = 0;

  // A day of a stream, and the files in its directory: the unit in which a volume is listed.
  struct Day {
    StreamId stream;
    std::string name;  // "20260504"
  };
  struct Found {
    index::SegmentKey key;
    std::string path;    // Relative to the volume.
    bool stray = false;  // No segment of ours, by its name.
  };
  virtual Result<std::vector<Day>> Days() = 0;  // Newest first.
  virtual Result<std::vector<Found>> FilesOf(const Day& day) = 0;
  // Everything below v1/, strays first, then the newest day first, until `visit` says false; of the
  // days those that `wants` takes.
  virtual Status VisitFiles(const std::function<bool(const Found&)>& visit,
                            const std::function<bool(const Day&)>& wants) = 0;
  static bool EveryDay(const Day&) { return true; }

 protected:
  void SetGone(bool gone) const { gone_ = gone; }

 private:
  std::atomic<bool> draining_{false};
  mutable std::atomic<bool> gone_{false};
};

// Whether it may be a volume's root by what it is: no file, and no store's data directory, by
// whatever name it is reached.
Status CheckVolumeRoot(const std::string& root, FileSystem& files);

// Whether OpenLocalVolume may take `root` for a volume of the store, or make it one; null: of a
// store that is yet to be made. Changes nothing.
Status CheckVolume(const std::string& root, const Uuid* store, FileSystem& files);

// Opens `root` as a volume of `store`. `known` is its UUID when the store has recorded on it
// before: then an empty or foreign directory gives an OFFLINE volume. Otherwise an empty or absent
// directory is initialised; one that holds other things is refused (kInvalid).
Result<std::unique_ptr<Volume>> OpenLocalVolume(const std::string& root, const Uuid& store,
                                                const Uuid* known, FileSystem& files);

}  // namespace lookback::storage
