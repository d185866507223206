// tests/support/disk_trace.h: every change of a disk, in order, and what a disk holds when they are
// applied to it, or some of them.
//
// TraceFileSystem passes all calls on to the file system below and writes down those that change
// something, and the syncs. A change names files and directories by number (a node), as a file
// system does, so that it can be applied without those before it:
//
//   TraceFileSystem files(*posix, root);
//   ... run the store in `root` ...
//   DiskState disk = files.base();
//   for (const DiskChange& change : files.changes()) disk.Apply(change);
//   disk.WriteTo(elsewhere);
//
// tests/support/crash_states.h makes from them what a power cut may leave.
//
// Invariant: changes that failed are not in the trace; the store under a trace meets no faults.
// Threads:   TraceFileSystem any, one lock around everything, so the order is the one in which the
//            calls took effect; the rest one.
// Errors:    those of the file system below.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/file_system.h"

namespace lookback::test {

using NodeId = uint32_t;  // A file or directory, under whatever name. 0: the root of the trace.

struct DiskChange {
  enum class Kind : uint8_t {
    kMake,           // `node` comes to be at `name` in `directory`.
    kRemove,         // It ceases to be there.
    kRename,         // It goes from `from_name` in `from` to `name` in `directory`, if it is there.
    kWrite,          // `bytes` at `offset`.
    kTruncate,       // To `offset` bytes.
    kReserve,        // Changes nothing that can be read.
    kSync,           // Of a file.
    kSyncDirectory,  // Of the names in it.
    kSyncAll,        // Of everything at and below `covered`.
  };
  Kind kind = Kind::kWrite;
  NodeId node = 0;
  bool is_directory = false;
  NodeId directory = 0, from = 0;
  std::string name, from_name;
  uint64_t offset = 0;
  Bytes bytes;
  std::vector<NodeId> covered;
  int mount = 0;     // Which file system it is on: each orders its own names.
  std::string path;  // For people.

  bool OfNames() const {
    return kind == Kind::kMake || kind == Kind::kRemove || kind == Kind::kRename;
  }
  bool OfBytes() const { return kind == Kind::kWrite || kind == Kind::kTruncate; }
  bool IsSync() const { return kind >= Kind::kSync; }
  std::string text() const;  // "write data/store.json.new [0, 220)"
};

class DiskState {
 public:
  struct Node {
    bool is_directory = false;
    Bytes bytes;
    std::map<std::string, NodeId> names;
  };

  DiskState() { nodes_[0].is_directory = true; }

  void Apply(const DiskChange& change);
  // Where `path` ("a/b", from the root) leads; nullptr: nowhere.
  const Node* Find(const std::string& path, NodeId* id = nullptr) const;
  // It, and all that is below it.
  std::vector<NodeId> Below(NodeId top) const;
  // What can be reached from the root, as real files; `directory` must be there and empty.
  void WriteTo(const std::string& directory) const;
  // Puts a real tree here, without locks and RocksDB's files; gives numbers from `next` on.
  void Load(const std::string& directory, NodeId& next);

 private:
  void LoadInto(const std::string& directory, NodeId into, NodeId& next);
  void WriteNode(const Node& node, const std::string& directory) const;

  std::map<NodeId, Node> nodes_;
};

class TraceFileSystem : public FileSystem {
 public:
  // What is in `root` already counts as synced, RocksDB's files apart. `below` must outlive this.
  TraceFileSystem(FileSystem& below, std::string root);

  // Stat says from now on that `path` is a mount of its own.
  void SetMount(std::string path);

  size_t size() const;  // Changes so far.
  const DiskState& base() const { return base_; }
  // Only while nothing runs on it.
  const std::vector<DiskChange>& changes() const { return changes_; }

  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override;
  Result<std::unique_ptr<File>> OpenDirectory(const std::string& path) override;
  Status MakeDirectories(const std::string& path, uint32_t mode = 0750) override;
  Status SyncDirectory(const std::string& path) override;
  Status Remove(const std::string& path) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Result<std::vector<DirEntry>> List(const std::string& path) override { return below_.List(path); }
  Result<FileInfo> Stat(const std::string& path) override;
  Result<Space> FreeSpace(const std::string& path) override { return below_.FreeSpace(path); }
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override {
    return below_.Lock(path);
  }

 private:
  friend class TraceFile;

  std::string Relative(const std::string& path) const;
  void Note(DiskChange change);
  // A change of names at `path`; false when its directory is not in the trace.
  bool Place(const std::string& path, DiskChange& change) const;

  FileSystem& below_;
  const std::string root_;
  mutable std::mutex mutex_;
  std::string mount_;
  NodeId next_ = 1;
  DiskState base_, now_;
  std::vector<DiskChange> changes_;
};

}  // namespace lookback::test
