// base/file_system.h: the only way to a disk.
//
// Invariant: nothing outside of the implementations calls open(2) and its kin, so a test can fail
//            the Nth call, forget what was not synced, or count.
// Threads:   a FileSystem on any thread; one File on one thread at a time, except ReadAt, which may
//            run beside a writer, and Sync, which may run beside both.
// Errors:    by SystemError: kDiskFull, kNotFound, kConflict (exists), else kDiskFailed. A failed
//            write or sync is final for that file: the kernel may have dropped the pages
//            (docs/recovery.md).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"

namespace lookback {

class File {
 public:
  virtual ~File() = default;  // Closes.

  // Writes all of `parts`, one after another, at `offset`: one pwritev(2) where the kernel takes
  // it.
  virtual Status WriteAt(uint64_t offset, std::span<const ByteSpan> parts) = 0;

  // Reads until `into` is full or the file ends; the count read.
  virtual Result<size_t> ReadAt(uint64_t offset, std::span<uint8_t> into) const = 0;

  virtual Status Sync() = 0;            // fdatasync(2).
  virtual Status SyncFileSystem() = 0;  // syncfs(2) of the file system that the file is on.
  virtual Status Truncate(uint64_t size) = 0;
  // Reserves space without changing the size (FALLOC_FL_KEEP_SIZE). kUnsupported where it cannot.
  virtual Status Reserve(uint64_t offset, uint64_t length) = 0;
  virtual Result<uint64_t> Size() const = 0;

  // What the kernel holds of it in memory is let go, so that the next read asks the disk. A wish:
  // pages that are mapped, or not written yet, stay.
  virtual void ForgetCached() const {}
};

struct DirEntry {
  std::string name;
  bool is_directory = false;
};

struct FileInfo {
  uint64_t size = 0;
  bool is_directory = false;
  uint64_t device = 0;  // st_dev: tells file systems apart.
  bool is_regular = false;
};

struct Space {
  uint64_t total_bytes = 0;
  uint64_t free_bytes = 0;  // What an unprivileged writer may still use.
};

enum class OpenMode : uint8_t {
  kRead,        // Must exist.
  kReadNoLink,  // The same, and be no symbolic link (ELOOP).
  kReadWrite,   // Must exist.
  kCreateNew,   // Must not exist (O_EXCL); opened for reading and writing, mode 0640.
  kSecret,      // Must not exist; mode 0600.
};

// A lock on a file that the kernel releases when its holder dies.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;

  virtual Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) = 0;
  // A directory, opened for SyncFileSystem() alone.
  virtual Result<std::unique_ptr<File>> OpenDirectory(const std::string& path) = 0;
  virtual Status MakeDirectories(const std::string& path, uint32_t mode = 0750) = 0;
  virtual Status SyncDirectory(const std::string& path) = 0;
  virtual Status Remove(const std::string& path) = 0;  // A file or an empty directory.
  virtual Status Rename(const std::string& from, const std::string& to) = 0;
  virtual Result<std::vector<DirEntry>> List(const std::string& path) = 0;  // Sorted by name.
  virtual Result<FileInfo> Stat(const std::string& path) = 0;
  virtual Result<Space> FreeSpace(const std::string& path) = 0;
  // kUnavailable when another process holds it; the message names its pid where it is known.
  virtual Result<std::unique_ptr<FileLock>> Lock(const std::string& path) = 0;
};

// The machine's own.
std::unique_ptr<FileSystem> MakePosixFileSystem();

// The whole of a small file; kInvalid above `limit_bytes`.
Result<Bytes> ReadFile(FileSystem& files, const std::string& path, uint64_t limit_bytes,
                       OpenMode mode = OpenMode::kRead);

// Replaces `path` so that after a power cut it holds the old or the new bytes, never a mixture:
// new file, sync, rename, sync of the directory.
Status WriteFileDurably(FileSystem& files, const std::string& path, ByteSpan bytes,
                        OpenMode mode = OpenMode::kCreateNew);

bool Exists(FileSystem& files, const std::string& path);
// `path`, or "<path>-2" and so on: the first that nothing has yet.
std::string FreeName(FileSystem& files, const std::string& path);

// "a" and "b" to "a/b".
std::string JoinPath(std::string_view directory, std::string_view name);

}  // namespace lookback
