// storage/volume_file.h: <volume>/volume.json and <data>/store.json: which directories belong
// together.
//
// Invariant: both are replaced durably and whole. A file of a newer format is never rewritten.
// Threads:   values; the caller keeps writers apart.
// Errors:    kNotFound when absent, kCorrupt when it does not parse, kUnsupported when its format
//            is newer than this build's; all with the path.
#pragma once

#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/ids.h"

namespace lookback::storage {

inline constexpr uint32_t kVolumeFormatVersion = 1;

struct VolumeFile {
  Uuid store;
  Uuid volume;
};
Result<VolumeFile> ReadVolumeFile(FileSystem& files, const std::string& path);
Status WriteVolumeFile(FileSystem& files, const std::string& path, const VolumeFile& file);

// Who recorded last. What a backup brings back knows nothing of it, nor what 0.1 wrote.
struct LastUse {
  std::string version;  // Of the program; empty: not known.
  bool closed = false;  // It stopped in good order: all that it had is on record.

  friend bool operator==(const LastUse&, const LastUse&) = default;
};

struct StoreFile {
  struct KnownVolume {
    std::string root;  // Absolute; in the file relative where it is below the data directory.
    Uuid id;
    bool draining = false;
  };

  Uuid store;
  uint32_t epoch = 0;  // Of the start that wrote the file.
  // The ledger had at least so many records when epoch `marked_epoch` began: what became of that
  // epoch's segments stands behind it.
  uint32_t marked_epoch = 0;
  uint64_t ledger_mark = 0;
  std::vector<KnownVolume> volumes;
  // Roots of volumes that a person removed: a start that is told to use one leaves it alone.
  std::vector<std::string> removed;
  LastUse last_use;
};
Result<StoreFile> ReadStoreFile(FileSystem& files, const std::string& path);
Status WriteStoreFile(FileSystem& files, const std::string& path, const StoreFile& file);

}  // namespace lookback::storage
