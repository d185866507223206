// storage/picture_cache.h: decoded pictures, in <data>/pictures, so that nothing is decoded twice.
//
// Invariant: a picture is gone when its footage is: who deletes or thins a segment has its pictures
//            forgotten, and one that was made meanwhile is not kept. A start empties the directory,
//            so what a crash left is not trusted. At most the budget of bytes and
//            kMaxCachedPictures; what was asked for the longest time ago goes first.
// Threads:   any.
// Errors:    none: a picture that cannot be kept or read is decoded again. Where the directory
//            cannot be emptied, nothing is kept, and the log says so.
#pragma once

#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "base/file_system.h"
#include "base/ids.h"
#include "base/time.h"

namespace lookback::storage {

inline constexpr uint64_t kPictureCacheBytes = 256 << 20;
inline constexpr size_t kMaxCachedPictures = 65'536;
inline constexpr uint64_t kMaxPictureBytes = 32 << 20;

class PictureCache {
 public:
  // `files` must outlive it.
  PictureCache(std::string directory, uint64_t budget_bytes, FileSystem& files);

  // Before its footage is looked for: what Put() then tells by whether something went meanwhile.
  uint64_t mark() const;
  // `name`: of letters, digits, "-" and "_" alone; the same means the same picture.
  std::optional<Bytes> Get(const std::string& name);
  // `shown_us`: when it was taken. Not kept where a picture was forgotten since `mark`.
  void Put(const std::string& name, const StreamId& stream, TimeUs shown_us, ByteSpan picture,
           uint64_t mark);
  // All that were taken in that range.
  void Forget(const StreamId& stream, TimeRange range);

  uint64_t bytes() const;

 private:
  struct Entry {
    std::string name;
    StreamId stream;
    TimeUs shown_us = 0;
    uint64_t bytes = 0;
    uint64_t digest = 0;
  };
  using Entries = std::list<Entry>;  // Asked for last, first.

  Status Empty();
  std::string PathOf(const Entry& entry) const { return JoinPath(directory_, entry.name + ".jpg"); }
  Status Write(const std::string& path, ByteSpan picture);
  void Drop(Entries::iterator entry);

  const std::string directory_;
  uint64_t budget_bytes_;
  FileSystem& files_;
  mutable std::mutex mutex_;
  Entries entries_;
  std::map<std::string, Entries::iterator> by_name_;
  uint64_t bytes_ = 0;
  uint64_t forgotten_ = 0;  // How often Forget() was called.
};

}  // namespace lookback::storage
