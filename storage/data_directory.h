// storage/data_directory.h: the data directory, locked, with its store.json.
//
// Invariant: while this exists no other process has the store. The epoch was raised and synced
//            before Open() returned.
// Threads:   one.
// Errors:    of storage/store.h.
#pragma once

#include <memory>
#include <string>

#include "base/file_system.h"
#include "storage/volume_file.h"

namespace lookback::storage {

inline constexpr std::string_view kStoreFile = "store.json";
inline constexpr std::string_view kLockFile = "lock";
// Under this name store.json waits while a restore puts the rest in place;
// no store has such a file.
inline constexpr std::string_view kWaitingStoreFile = "store.json.restoring";

class DataDirectory {
 public:
  // Makes a store where there is nothing; refuses a directory that holds other things.
  static Result<std::unique_ptr<DataDirectory>> Open(const std::string& path, FileSystem& files);

  const StoreFile& file() const { return file_; }
  Status Write(const StoreFile& file);

 private:
  DataDirectory(std::string path, FileSystem& files) : path_(std::move(path)), files_(files) {}
  Status CheckOurs() const;

  const std::string path_;
  FileSystem& files_;
  std::unique_ptr<FileLock> lock_;
  StoreFile file_;
};

// Without "." and "..", from the root.
std::string AbsolutePath(const std::string& path);

// The store.json of `data`. Where there is none (kNotFound), a damaged one (kCorrupt), or a restore
// that was interrupted (kInvalid), the error says which command mends that.
Result<StoreFile> ReadStore(const std::string& data, FileSystem& files);

// Whether `root` may be a volume of the store in `data`, or of one that is yet to be made there
// (nullptr). Of a volume of another store the error says how that one comes back.
Status CheckAskedVolume(const std::string& root, const std::string& data, const Uuid* store,
                        FileSystem& files);
// The same of each of these that the store does not know yet. Before anything is made: a start that
// fails over a volume must not leave a store behind.
Status CheckAskedVolumes(const std::string& data, const std::vector<std::string>& volumes,
                         FileSystem& files);

}  // namespace lookback::storage
