#include "tests/support/fault_file_system.h"

#include <algorithm>
#include <filesystem>
#include <random>

namespace lookback::test {
namespace {

constexpr uint64_t kPageBytes = 4'096;

std::string ParentOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

bool ChangesDisk(Op op) {
  return op != Op::kOpen && op != Op::kRead && op != Op::kList && op != Op::kStat;
}

Status NoPower() { return Fail(Code::kDiskFailed, "the power is off"); }

}  // namespace

class FaultFile : public File {
 public:
  FaultFile(FaultFileSystem& system, std::shared_ptr<FaultFileSystem::Inode> inode,
            std::unique_ptr<File> below)
      : system_(system),
        inode_(std::move(inode)),
        below_(std::move(below)),
        generation_(system.generation_) {}

  Status WriteAt(uint64_t offset, std::span<const ByteSpan> parts) override {
    if (inode_) system_.Hang(inode_->path);
    const std::lock_guard lock(system_.mutex_);
    Bytes all;
    for (const ByteSpan& part : parts) all.insert(all.end(), part.begin(), part.end());
    const Status counted = Count(Op::kWrite);
    if (!counted && !system_.power_) return counted;
    if (!counted) all.resize(all.size() / 2);
    LB_TRY(Note(offset, all));
    const ByteSpan whole(all);
    LB_TRY(below_->WriteAt(offset, std::span(&whole, 1)));
    return counted;
  }
  Result<size_t> ReadAt(uint64_t offset, std::span<uint8_t> into) const override {
    const std::lock_guard lock(system_.mutex_);
    LB_TRY(Count(Op::kRead));
    return below_->ReadAt(offset, into);
  }
  Status Sync() override {
    if (inode_) system_.Hang(inode_->path);
    const std::lock_guard lock(system_.mutex_);
    const Status counted = Count(Op::kSync);
    if (!system_.power_) return counted;
    if (!counted) {
      for (auto& change : inode_->changes) change.dropped = true;
      return counted;
    }
    std::erase_if(inode_->changes, [](const auto& change) { return !change.dropped; });
    return Ok();
  }
  Status SyncFileSystem() override {
    const std::lock_guard lock(system_.mutex_);
    const Status counted = Count(Op::kSyncAll);
    if (!system_.power_) return counted;
    for (auto& [path, inode] : system_.inodes_) {
      if (counted) {
        std::erase_if(inode->changes, [](const auto& change) { return !change.dropped; });
      } else {
        for (auto& change : inode->changes) change.dropped = true;
      }
    }
    if (counted) system_.SyncNames(nullptr);
    return counted;
  }
  Status Truncate(uint64_t size) override {
    const std::lock_guard lock(system_.mutex_);
    LB_TRY(Count(Op::kTruncate));
    LB_TRY_ASSIGN(before, below_->Size());
    if (inode_) {
      FaultFileSystem::Change change{std::min(size, before), {}, {}, before, size, false};
      if (size < before) {
        change.before.resize(before - size);
        LB_TRY(below_->ReadAt(size, change.before));
      }
      inode_->changes.push_back(std::move(change));
    }
    return below_->Truncate(size);
  }
  Status Reserve(uint64_t offset, uint64_t length) override {
    const std::lock_guard lock(system_.mutex_);
    LB_TRY(Count(Op::kReserve));
    return below_->Reserve(offset, length);
  }
  Result<uint64_t> Size() const override {
    const std::lock_guard lock(system_.mutex_);
    LB_TRY(Count(Op::kStat));
    return below_->Size();
  }

 private:
  Status Count(Op op) const {
    if (generation_ != system_.generation_) return NoPower();
    return system_.Count(op, inode_ ? inode_->path : "a directory");
  }
  Status Note(uint64_t offset, const Bytes& bytes) {
    LB_TRY_ASSIGN(size, below_->Size());
    FaultFileSystem::Change change{offset, {}, bytes, size, 0, false};
    change.size_after = std::max(size, offset + bytes.size());
    if (offset < size) {
      change.before.resize(std::min<uint64_t>(bytes.size(), size - offset));
      LB_TRY(below_->ReadAt(offset, change.before));
    }
    inode_->changes.push_back(std::move(change));
    return Ok();
  }

  FaultFileSystem& system_;
  const std::shared_ptr<FaultFileSystem::Inode> inode_;  // nullptr for a directory.
  const std::unique_ptr<File> below_;
  const uint64_t generation_;
};

FaultFileSystem::FaultFileSystem(FileSystem& below, std::string root)
    : below_(below), lost_(JoinPath(root, ".lost")) {
  LB_CHECK(below_.MakeDirectories(lost_).has_value());
}

FaultFileSystem::~FaultFileSystem() {
  std::error_code ignored;
  std::filesystem::remove_all(lost_, ignored);
}

void FaultFileSystem::FailNth(Op op, uint64_t n, Code code, bool and_all_later) {
  const std::lock_guard lock(mutex_);
  rules_[op] = {calls_[op] + n, code, and_all_later};
}

void FaultFileSystem::FailNextBelow(Op op, const std::string& path, Code code) {
  const std::lock_guard lock(mutex_);
  rules_[op] = {0, code, false, path};
}

void FaultFileSystem::StopFailing() {
  const std::lock_guard lock(mutex_);
  rules_.clear();
  failing_below_.clear();
}

uint64_t FaultFileSystem::calls(Op op) const {
  const std::lock_guard lock(mutex_);
  const auto it = calls_.find(op);
  return it == calls_.end() ? 0 : it->second;
}

uint64_t FaultFileSystem::injected() const {
  const std::lock_guard lock(mutex_);
  return injected_;
}

void FaultFileSystem::SetFreeBytes(std::optional<uint64_t> bytes) {
  const std::lock_guard lock(mutex_);
  free_bytes_ = bytes;
}

void FaultFileSystem::CutPower() {
  const std::lock_guard lock(mutex_);
  power_ = false;
}

void FaultFileSystem::CutPowerAt(uint64_t n) {
  const std::lock_guard lock(mutex_);
  cut_at_ = changes_ + n;
}

bool FaultFileSystem::power() const {
  const std::lock_guard lock(mutex_);
  return power_;
}

void FaultFileSystem::RestorePower(std::optional<uint64_t> keep_pages_seed) {
  const std::lock_guard lock(mutex_);
  LB_CHECK(!power_);
  for (auto& [path, inode] : inodes_) UndoBytes(*inode, keep_pages_seed);
  for (auto it = names_.rbegin(); it != names_.rend(); ++it) UndoName(*it);
  names_.clear();
  inodes_.clear();
  cut_at_ = 0;
  ++generation_;
  power_ = true;
}

void FaultFileSystem::FailBelow(const std::string& path, Code code) {
  const std::lock_guard lock(mutex_);
  failing_below_ = path + "/";
  failing_code_ = code;
}

void FaultFileSystem::HoldBelow(const std::string& path) {
  const std::lock_guard lock(mutex_);
  holding_below_ = path + "/";
}

void FaultFileSystem::LetGo() {
  const std::lock_guard lock(mutex_);
  holding_below_.clear();
  let_go_.notify_all();
}

size_t FaultFileSystem::held() const {
  const std::lock_guard lock(mutex_);
  return held_;
}

// Before a call that would change the disk, without the lock.
void FaultFileSystem::Hang(const std::string& path) {
  std::unique_lock lock(mutex_);
  const auto hangs = [&] { return !holding_below_.empty() && path.starts_with(holding_below_); };
  if (!hangs()) return;
  ++held_;
  let_go_.wait(lock, [&] { return !hangs(); });
  --held_;
}

Status FaultFileSystem::Count(Op op, const std::string& thing) {
  if (!power_) return NoPower();
  const uint64_t call = ++calls_[op];
  if (ChangesDisk(op) && ++changes_ == cut_at_) {
    power_ = false;
    return NoPower();
  }
  if (!failing_below_.empty() && thing.starts_with(failing_below_)) {
    ++injected_;
    return Fail(failing_code_, "injected failure on " + thing);
  }
  const auto rule = rules_.find(op);
  if (rule == rules_.end()) return Ok();
  const Rule r = rule->second;
  if (!r.below.empty()) {
    if (!thing.starts_with(r.below)) return Ok();
    rules_.erase(rule);
  } else if (call != r.at && !(r.and_all_later && call > r.at)) {
    return Ok();
  }
  ++injected_;
  return Fail(r.code, "injected failure on " + thing);
}

std::shared_ptr<FaultFileSystem::Inode> FaultFileSystem::InodeOf(const std::string& path) {
  std::shared_ptr<Inode>& inode = inodes_[path];
  if (!inode) inode = std::make_shared<Inode>(Inode{path, {}});
  return inode;
}

// Renames for real; inodes at and below `from` follow.
void FaultFileSystem::Move(const std::string& from, const std::string& to) {
  LB_CHECK(below_.Rename(from, to).has_value());
  std::map<std::string, std::shared_ptr<Inode>> moved;
  for (auto it = inodes_.begin(); it != inodes_.end();) {
    const bool here = it->first == from || it->first.starts_with(from + "/");
    if (!here) {
      ++it;
      continue;
    }
    it->second->path = to + it->first.substr(from.size());
    moved[it->second->path] = it->second;
    it = inodes_.erase(it);
  }
  for (auto& [path, inode] : moved) inodes_[path] = inode;
}

std::string FaultFileSystem::KeepAside(const std::string& path) {
  const std::string aside = JoinPath(lost_, std::to_string(lost_count_++));
  Move(path, aside);
  return aside;
}

// Makes the name changes of one directory final; of all, for nullptr.
void FaultFileSystem::SyncNames(const std::string* parent) {
  std::erase_if(names_, [&](const NameChange& change) {
    if (parent && change.parent != *parent) return false;
    if (!change.kept.empty()) {
      std::error_code ignored;
      std::filesystem::remove_all(change.kept, ignored);
      inodes_.erase(change.kept);
    }
    return true;
  });
}

void FaultFileSystem::UndoBytes(Inode& inode, std::optional<uint64_t> seed) {
  if (inode.changes.empty()) return;
  auto file = below_.Open(inode.path, OpenMode::kReadWrite);
  if (!file) return;
  const uint64_t final_size = inode.changes.back().size_after;
  for (auto it = inode.changes.rbegin(); it != inode.changes.rend(); ++it) {
    const ByteSpan before(it->before);
    LB_CHECK((*file)->WriteAt(it->offset, std::span(&before, 1)).has_value());
    LB_CHECK((*file)->Truncate(it->size_before).has_value());
  }
  if (!seed) return;
  std::mt19937_64 random(*seed ^ std::hash<std::string>()(inode.path));
  if (random() % 2) LB_CHECK((*file)->Truncate(final_size).has_value());
  for (const Change& change : inode.changes) {
    for (uint64_t at = 0; at < change.after.size() && !change.dropped;) {
      const uint64_t room = kPageBytes - (change.offset + at) % kPageBytes;
      const uint64_t length = std::min<uint64_t>(room, change.after.size() - at);
      const ByteSpan page = ByteSpan(change.after).subspan(at, length);
      if (random() % 2) {
        LB_CHECK((*file)->WriteAt(change.offset + at, std::span(&page, 1)).has_value());
      }
      at += length;
    }
  }
}

void FaultFileSystem::UndoName(const NameChange& change) {
  if (!change.made.empty()) {
    if (!change.gone.empty()) {
      // Its old directory may be gone for good, and the file with it.
      if (Exists(below_, change.made) && Exists(below_, ParentOf(change.gone))) {
        Move(change.made, change.gone);
      }
    } else {
      std::error_code ignored;
      std::filesystem::remove_all(change.made, ignored);
    }
  }
  if (change.kept.empty()) return;
  const std::string& name = change.made.empty() ? change.gone : change.made;
  if (Exists(below_, ParentOf(name)) && Exists(below_, change.kept)) Move(change.kept, name);
}

Result<std::unique_ptr<File>> FaultFileSystem::Open(const std::string& path, OpenMode mode) {
  const std::lock_guard lock(mutex_);
  const bool creates = mode == OpenMode::kCreateNew || mode == OpenMode::kSecret;
  LB_TRY(Count(creates ? Op::kCreate : Op::kOpen, path));
  LB_TRY_ASSIGN(file, below_.Open(path, mode));
  if (creates) {
    inodes_.erase(path);
    names_.push_back({ParentOf(path), path, "", ""});
  }
  return std::unique_ptr<File>(new FaultFile(*this, InodeOf(path), std::move(file)));
}

Result<std::unique_ptr<File>> FaultFileSystem::OpenDirectory(const std::string& path) {
  const std::lock_guard lock(mutex_);
  LB_TRY(Count(Op::kOpen, path));
  LB_TRY_ASSIGN(file, below_.OpenDirectory(path));
  return std::unique_ptr<File>(new FaultFile(*this, nullptr, std::move(file)));
}

Status FaultFileSystem::MakeDirectories(const std::string& path, uint32_t mode) {
  const std::lock_guard lock(mutex_);
  LB_TRY(Count(Op::kMakeDirectories, path));
  std::string missing = path;
  std::vector<std::string> made;
  while (!missing.empty() && missing != "." && !Exists(below_, missing)) {
    made.push_back(missing);
    missing = ParentOf(missing);
  }
  LB_TRY(below_.MakeDirectories(path, mode));
  for (auto it = made.rbegin(); it != made.rend(); ++it) {
    names_.push_back({ParentOf(*it), *it, "", ""});
  }
  return Ok();
}

Status FaultFileSystem::SyncDirectory(const std::string& path) {
  const std::lock_guard lock(mutex_);
  LB_TRY(Count(Op::kSyncDirectory, path));
  LB_TRY_ASSIGN(info, below_.Stat(path));
  (void)info;
  SyncNames(&path);
  return Ok();
}

Status FaultFileSystem::Remove(const std::string& path) {
  const std::lock_guard lock(mutex_);
  LB_TRY(Count(Op::kRemove, path));
  LB_TRY_ASSIGN(info, below_.Stat(path));
  if (info.is_directory) {
    LB_TRY_ASSIGN(entries, below_.List(path));
    if (!entries.empty()) return Fail(Code::kDiskFailed, path + " is not empty");
  }
  names_.push_back({ParentOf(path), "", path, KeepAside(path)});
  return Ok();
}

Status FaultFileSystem::Rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  LB_TRY(Count(Op::kRename, from));
  LB_TRY_ASSIGN(info, below_.Stat(from));
  (void)info;
  const std::string kept = Exists(below_, to) ? KeepAside(to) : "";
  Move(from, to);
  names_.push_back({ParentOf(to), to, from, kept});
  return Ok();
}

Result<std::vector<DirEntry>> FaultFileSystem::List(const std::string& path) {
  const std::lock_guard lock(mutex_);
  LB_TRY(Count(Op::kList, path));
  LB_TRY_ASSIGN(entries, below_.List(path));
  std::erase_if(entries, [&](const DirEntry& e) { return JoinPath(path, e.name) == lost_; });
  return entries;
}

Result<FileInfo> FaultFileSystem::Stat(const std::string& path) {
  const std::lock_guard lock(mutex_);
  LB_TRY(Count(Op::kStat, path));
  LB_TRY_ASSIGN(info, below_.Stat(path));
  if (path == mount_) ++info.device;
  return info;
}

void FaultFileSystem::SetMount(std::string path) {
  const std::lock_guard lock(mutex_);
  mount_ = std::move(path);
}

Result<Space> FaultFileSystem::FreeSpace(const std::string& path) {
  const std::lock_guard lock(mutex_);
  LB_TRY(Count(Op::kStat, path));
  LB_TRY_ASSIGN(space, below_.FreeSpace(path));
  if (free_bytes_) space.free_bytes = *free_bytes_;
  return space;
}

Result<std::unique_ptr<FileLock>> FaultFileSystem::Lock(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (!power_) return Pass(NoPower().error());
  return below_.Lock(path);
}

}  // namespace lookback::test
