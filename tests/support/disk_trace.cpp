#include "tests/support/disk_trace.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace lookback::test {
namespace {

namespace fs = std::filesystem;

// Not written by way of a FileSystem, so not of the trace: a test takes its own pictures of it.
bool IsOfOthers(const std::string& name) { return name == "lock" || name.starts_with("catalog"); }

// "a/b" to "a" and "b".
std::pair<std::string, std::string> Split(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {"", path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

}  // namespace

std::string DiskChange::text() const {
  switch (kind) {
    case Kind::kMake:
      return (is_directory ? "mkdir " : "create ") + path;
    case Kind::kRemove:
      return "remove " + path;
    case Kind::kRename:
      return "rename " + from_name + " to " + path;
    case Kind::kWrite:
      return "write " + path + " [" + std::to_string(offset) + ", " +
             std::to_string(offset + bytes.size()) + ")";
    case Kind::kTruncate:
      return "truncate " + path + " to " + std::to_string(offset);
    case Kind::kReserve:
      return "reserve " + path;
    case Kind::kSync:
      return "sync " + path;
    case Kind::kSyncDirectory:
      return "sync directory " + path;
    case Kind::kSyncAll:
      return "sync all of " + path;
  }
  return path;
}

void DiskState::Apply(const DiskChange& change) {
  switch (change.kind) {
    case DiskChange::Kind::kMake:
      nodes_[change.node].is_directory = change.is_directory;
      nodes_[change.directory].names[change.name] = change.node;
      return;
    case DiskChange::Kind::kRemove:
      nodes_[change.directory].names.erase(change.name);
      return;
    case DiskChange::Kind::kRename: {
      auto& from = nodes_[change.from].names;
      const auto old = from.find(change.from_name);
      if (old == from.end() || old->second != change.node) return;
      from.erase(old);
      nodes_[change.directory].names[change.name] = change.node;
      return;
    }
    case DiskChange::Kind::kWrite: {
      Bytes& bytes = nodes_[change.node].bytes;
      bytes.resize(std::max<size_t>(bytes.size(), change.offset + change.bytes.size()));
      std::copy(change.bytes.begin(), change.bytes.end(),
                bytes.begin() + static_cast<ptrdiff_t>(change.offset));
      return;
    }
    case DiskChange::Kind::kTruncate:
      nodes_[change.node].bytes.resize(change.offset);
      return;
    default:
      return;
  }
}

const DiskState::Node* DiskState::Find(const std::string& path, NodeId* id) const {
  NodeId at = 0;
  for (const auto& part : fs::path(path)) {
    const auto& names = nodes_.at(at).names;
    const auto next = names.find(part.string());
    if (next == names.end()) return nullptr;
    at = next->second;
  }
  if (id) *id = at;
  return &nodes_.at(at);
}

std::vector<NodeId> DiskState::Below(NodeId top) const {
  std::vector<NodeId> all = {top};
  for (const auto& [name, node] : nodes_.at(top).names) {
    const auto more = Below(node);
    all.insert(all.end(), more.begin(), more.end());
  }
  return all;
}

void DiskState::WriteTo(const std::string& directory) const { WriteNode(nodes_.at(0), directory); }

void DiskState::WriteNode(const Node& node, const std::string& directory) const {
  for (const auto& [name, id] : node.names) {
    const Node& child = nodes_.at(id);
    const std::string path = JoinPath(directory, name);
    if (child.is_directory) {
      fs::create_directory(path);
      WriteNode(child, path);
    } else {
      std::ofstream(path, std::ios::binary)
          .write(reinterpret_cast<const char*>(child.bytes.data()),
                 static_cast<std::streamsize>(child.bytes.size()));
    }
  }
}

void DiskState::Load(const std::string& directory, NodeId& next) { LoadInto(directory, 0, next); }

void DiskState::LoadInto(const std::string& directory, NodeId into, NodeId& next) {
  for (const auto& entry : fs::directory_iterator(directory)) {
    const std::string name = entry.path().filename().string();
    if (IsOfOthers(name)) continue;
    const NodeId id = next++;
    nodes_[into].names[name] = id;
    nodes_[id].is_directory = entry.is_directory();
    if (entry.is_directory()) {
      LoadInto(entry.path().string(), id, next);
    } else {
      std::ifstream file(entry.path(), std::ios::binary);
      nodes_[id].bytes.assign(std::istreambuf_iterator<char>(file), {});
    }
  }
}

class TraceFile : public File {
 public:
  TraceFile(TraceFileSystem& system, std::unique_ptr<File> below, NodeId node, std::string path)
      : system_(system), below_(std::move(below)), node_(node), path_(std::move(path)) {}

  Status WriteAt(uint64_t offset, std::span<const ByteSpan> parts) override {
    const std::lock_guard lock(system_.mutex_);
    LB_TRY(below_->WriteAt(offset, parts));
    DiskChange change = Change(DiskChange::Kind::kWrite, offset);
    for (const ByteSpan& part : parts) {
      change.bytes.insert(change.bytes.end(), part.begin(), part.end());
    }
    system_.Note(std::move(change));
    return Ok();
  }
  Result<size_t> ReadAt(uint64_t offset, std::span<uint8_t> into) const override {
    return below_->ReadAt(offset, into);
  }
  Status Sync() override {
    const std::lock_guard lock(system_.mutex_);
    return After(below_->Sync(), DiskChange::Kind::kSync, 0);
  }
  Status SyncFileSystem() override {
    const std::lock_guard lock(system_.mutex_);
    DiskChange change = Change(DiskChange::Kind::kSyncAll, 0);
    change.covered = system_.now_.Below(node_);
    system_.Note(std::move(change));
    return Ok();
  }
  Status Truncate(uint64_t size) override {
    const std::lock_guard lock(system_.mutex_);
    return After(below_->Truncate(size), DiskChange::Kind::kTruncate, size);
  }
  Status Reserve(uint64_t offset, uint64_t length) override {
    const std::lock_guard lock(system_.mutex_);
    return After(below_->Reserve(offset, length), DiskChange::Kind::kReserve, offset);
  }
  Result<uint64_t> Size() const override { return below_->Size(); }

 private:
  DiskChange Change(DiskChange::Kind kind, uint64_t offset) const {
    DiskChange change;
    change.kind = kind;
    change.node = node_;
    change.offset = offset;
    change.path = path_;
    return change;
  }
  Status After(const Status& done, DiskChange::Kind kind, uint64_t offset) {
    if (!done) return done;
    system_.Note(Change(kind, offset));
    return Ok();
  }

  TraceFileSystem& system_;
  const std::unique_ptr<File> below_;
  const NodeId node_;
  const std::string path_;  // As it was opened.
};

TraceFileSystem::TraceFileSystem(FileSystem& below, std::string root)
    : below_(below), root_(std::move(root)) {
  base_.Load(root_, next_);
  now_ = base_;
}

void TraceFileSystem::SetMount(std::string path) {
  const std::lock_guard lock(mutex_);
  mount_ = std::move(path);
}

size_t TraceFileSystem::size() const {
  const std::lock_guard lock(mutex_);
  return changes_.size();
}

std::string TraceFileSystem::Relative(const std::string& path) const {
  LB_CHECK(path == root_ || path.starts_with(root_ + "/"));
  return path == root_ ? "" : path.substr(root_.size() + 1);
}

void TraceFileSystem::Note(DiskChange change) {
  if (!mount_.empty()) change.mount = (root_ + "/" + change.path + "/").starts_with(mount_ + "/");
  now_.Apply(change);
  changes_.push_back(std::move(change));
}

bool TraceFileSystem::Place(const std::string& path, DiskChange& change) const {
  change.path = Relative(path);
  const auto [parent, name] = Split(change.path);
  change.name = name;
  return now_.Find(parent, &change.directory) != nullptr;
}

Result<std::unique_ptr<File>> TraceFileSystem::Open(const std::string& path, OpenMode mode) {
  const std::lock_guard lock(mutex_);
  LB_TRY_ASSIGN(file, below_.Open(path, mode));
  DiskChange change;
  LB_CHECK(Place(path, change));
  if (mode == OpenMode::kCreateNew || mode == OpenMode::kSecret) {
    change.kind = DiskChange::Kind::kMake;
    change.node = next_++;
    Note(change);
  } else {
    LB_CHECK(now_.Find(change.path, &change.node) != nullptr);
  }
  return std::unique_ptr<File>(new TraceFile(*this, std::move(file), change.node, change.path));
}

Result<std::unique_ptr<File>> TraceFileSystem::OpenDirectory(const std::string& path) {
  const std::lock_guard lock(mutex_);
  LB_TRY_ASSIGN(file, below_.OpenDirectory(path));
  NodeId node = 0;
  LB_CHECK(now_.Find(Relative(path), &node) != nullptr);
  return std::unique_ptr<File>(new TraceFile(*this, std::move(file), node, Relative(path)));
}

Status TraceFileSystem::MakeDirectories(const std::string& path, uint32_t mode) {
  const std::lock_guard lock(mutex_);
  LB_TRY(below_.MakeDirectories(path, mode));
  std::string done = root_;
  for (const auto& part : fs::path(Relative(path))) {
    done = JoinPath(done, part.string());
    if (now_.Find(Relative(done)) != nullptr) continue;
    DiskChange change;
    LB_CHECK(Place(done, change));
    change.kind = DiskChange::Kind::kMake;
    change.node = next_++;
    change.is_directory = true;
    Note(std::move(change));
  }
  return Ok();
}

Status TraceFileSystem::SyncDirectory(const std::string& path) {
  const std::lock_guard lock(mutex_);
  LB_TRY(below_.SyncDirectory(path));
  DiskChange change;
  change.kind = DiskChange::Kind::kSyncDirectory;
  change.path = Relative(path);
  LB_CHECK(now_.Find(change.path, &change.node) != nullptr);
  Note(std::move(change));
  return Ok();
}

Status TraceFileSystem::Remove(const std::string& path) {
  const std::lock_guard lock(mutex_);
  LB_TRY(below_.Remove(path));
  DiskChange change;
  change.kind = DiskChange::Kind::kRemove;
  LB_CHECK(Place(path, change) && now_.Find(change.path, &change.node) != nullptr);
  Note(std::move(change));
  return Ok();
}

Status TraceFileSystem::Rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  const bool ours = now_.Find(Relative(from)) != nullptr;  // RocksDB's directory is not.
  LB_TRY(below_.Rename(from, to));
  if (!ours) return Ok();
  DiskChange change;
  LB_CHECK(Place(from, change) && now_.Find(change.path, &change.node) != nullptr);
  change.from = change.directory;
  change.from_name = change.name;
  LB_CHECK(Place(to, change));
  change.kind = DiskChange::Kind::kRename;
  Note(std::move(change));
  return Ok();
}

Result<FileInfo> TraceFileSystem::Stat(const std::string& path) {
  LB_TRY_ASSIGN(info, below_.Stat(path));
  const std::lock_guard lock(mutex_);
  if (path == mount_) ++info.device;
  return info;
}

}  // namespace lookback::test
