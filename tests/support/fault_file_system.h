// tests/support/fault_file_system.h: a FileSystem that fails when told to, and forgets what was not
// synced, as a power cut does.
//
// It works on the real files below `root` by way of another FileSystem, so that what survives can
// be looked at with any program. Typical uses:
//
//   FaultFileSystem files(*posix, root);
//   files.FailNth(Op::kSync, 3, Code::kDiskFailed);   // The third sync from now fails, once.
//   ...
//   files.CutPower();          // Every call fails from here; what was open is dead for good.
//   store.reset();             // Its destructor can change nothing any more.
//   files.RestorePower();      // The disk is as it was synced. Open the store again.
//
// What a cut takes (the strictest reading of POSIX):
//   - bytes written, or a size set, since the last successful Sync of that file, whoever held it
//     open;
//   - names made, removed or renamed since the last successful SyncDirectory of their parent (of
//   the
//     new name's, for a rename), with all that was below them;
//   - SyncFileSystem keeps everything, of every file and directory;
//   - after a failed Sync, what it should have kept is lost although a later Sync says Ok: the
//     kernel has dropped those pages.
// RestorePower(seed) instead keeps a seeded half of the lost 4 KiB pages and sizes, in no order: a
// torn and reordered write-back. Names are still lost whole.
//
// Invariant: without FailNth and CutPower it behaves as the file system below it, save that nothing
//            is really synced.
// Threads:   any; one lock around everything, so not for measuring.
// Errors:    those asked for, and those of the file system below.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/file_system.h"

namespace lookback::test {

enum class Op : uint8_t {
  kOpen,     // Of a file that exists.
  kCreate,   // kCreateNew, kSecret.
  kRead,     // ReadAt.
  kWrite,    // A failing one has written the first half of its bytes.
  kSync,     // Of a file.
  kSyncAll,  // SyncFileSystem.
  kSyncDirectory,
  kTruncate,
  kReserve,
  kMakeDirectories,
  kRemove,
  kRename,
  kList,
  kStat,
};

class FaultFileSystem : public FileSystem {
 public:
  // `root` must exist; a folder ".lost" in it is ours. `below` must outlive this.
  FaultFileSystem(FileSystem& below, std::string root);
  ~FaultFileSystem() override;

  // From now on, the `n`th call (from 1) of this kind fails with `code`; with `and_all_later` the
  // ones after it too. One rule a kind; a new one replaces it.
  void FailNth(Op op, uint64_t n, Code code, bool and_all_later = false);
  // The next call of this kind on a path below `path` fails, once. In place of
  // FailNth's rule for it.
  void FailNextBelow(Op op, const std::string& path, Code code);
  void StopFailing();
  // Every call on a path below `path` fails from now on with `code`, reads too:
  // the disk was pulled.
  void FailBelow(const std::string& path, Code code);
  // Writes and syncs below `path` do not come back before LetGo(): the disk hangs.
  void HoldBelow(const std::string& path);
  void LetGo();
  size_t held() const;  // How many calls hang.
  // How many calls of this kind there were, failed ones too.
  uint64_t calls(Op op) const;
  // How many failed because FailNth said so.
  uint64_t injected() const;

  // What FreeSpace says is free, from now on; nothing: what there is.
  void SetFreeBytes(std::optional<uint64_t> bytes);

  // Stat says from now on that `path` is a mount of its own.
  void SetMount(std::string path);

  void CutPower();
  // The power goes at the `n`th call from now (from 1) that would change the disk; it does not.
  void CutPowerAt(uint64_t n);
  bool power() const;
  void RestorePower(std::optional<uint64_t> keep_pages_seed = std::nullopt);

  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override;
  Result<std::unique_ptr<File>> OpenDirectory(const std::string& path) override;
  Status MakeDirectories(const std::string& path, uint32_t mode = 0750) override;
  Status SyncDirectory(const std::string& path) override;
  Status Remove(const std::string& path) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Result<std::vector<DirEntry>> List(const std::string& path) override;
  Result<FileInfo> Stat(const std::string& path) override;
  Result<Space> FreeSpace(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override;

 private:
  friend class FaultFile;

  // One unsynced change of a file's bytes or size, with what it takes to undo and to redo it.
  struct Change {
    uint64_t offset = 0;
    Bytes before;  // What stood at `offset`, as far as the file reached.
    Bytes after;   // What was written; empty for a truncation.
    uint64_t size_before = 0;
    uint64_t size_after = 0;
    bool dropped = false;  // A sync failed: nothing keeps it any more.
  };
  // A file as such, under whatever name it has.
  struct Inode {
    std::string path;
    std::vector<Change> changes;
  };
  // One unsynced change of a directory.
  struct NameChange {
    std::string parent;
    std::string made;  // A name that came to be, or empty.
    std::string gone;  // A name that ceased (renamed to `made`, if that is set), or empty.
    std::string kept;  // Where what was removed or replaced is kept, or empty.
  };
  struct Rule {
    uint64_t at = 0;  // Absolute call count; 0: none.
    Code code = Code::kDiskFailed;
    bool and_all_later = false;
    std::string below = {};  // Not empty: whatever the count, once, and only there.
  };

  Status Count(Op op, const std::string& thing);
  void Hang(const std::string& path);
  std::shared_ptr<Inode> InodeOf(const std::string& path);
  void Move(const std::string& from, const std::string& to);
  std::string KeepAside(const std::string& path);
  void SyncNames(const std::string* parent);
  void UndoBytes(Inode& inode, std::optional<uint64_t> seed);
  void UndoName(const NameChange& change);

  FileSystem& below_;
  const std::string lost_;
  mutable std::mutex mutex_;
  std::map<Op, Rule> rules_;
  std::map<Op, uint64_t> calls_;
  uint64_t injected_ = 0;
  std::string failing_below_, holding_below_;
  Code failing_code_ = Code::kDiskFailed;
  size_t held_ = 0;
  std::condition_variable let_go_;
  std::optional<uint64_t> free_bytes_;
  std::string mount_;
  bool power_ = true;
  uint64_t changes_ = 0;     // Calls so far that would change the disk.
  uint64_t cut_at_ = 0;      // In changes_; 0: never.
  uint64_t generation_ = 0;  // Raised when power returns: files opened before are dead.
  uint64_t lost_count_ = 0;
  std::map<std::string, std::shared_ptr<Inode>> inodes_;
  std::vector<NameChange> names_;
};

}  // namespace lookback::test
