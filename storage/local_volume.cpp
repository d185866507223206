#include "storage/local_volume.h"

#include <algorithm>
#include <filesystem>

#include "storage/layout.h"
#include "storage/volume_file.h"

namespace lookback::storage {
namespace {

constexpr std::string_view kQuarantineFolder = "quarantine";
constexpr std::string_view kProbeFile = "probe.tmp";
constexpr size_t kProbeBytes = 4'096;
// The root, v1, camera, stream: above a day's directory.
constexpr int kFoldersAboveDay = 4;

std::string Parent(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

bool IsDay(std::string_view name) {
  return name.size() == 8 &&
         std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

// A file that tells its volume what was written.
class LocalVolume::TrackedFile : public File {
 public:
  TrackedFile(LocalVolume& volume, std::shared_ptr<File> file, std::string directory)
      : volume_(volume), file_(std::move(file)), directory_(std::move(directory)) {}

  Status WriteAt(uint64_t offset, std::span<const ByteSpan> parts) override {
    LB_TRY(file_->WriteAt(offset, parts));
    volume_.NoteWritten(file_);
    return Ok();
  }
  Status Truncate(uint64_t size) override {
    LB_TRY(file_->Truncate(size));
    volume_.NoteWritten(file_);
    return Ok();
  }
  Status Sync() override {
    LB_TRY(file_->Sync());
    return volume_.SyncDirectories(directory_);
  }
  Result<size_t> ReadAt(uint64_t offset, std::span<uint8_t> into) const override {
    return file_->ReadAt(offset, into);
  }
  Status SyncFileSystem() override { return file_->SyncFileSystem(); }
  Status Reserve(uint64_t offset, uint64_t length) override {
    return file_->Reserve(offset, length);
  }
  Result<uint64_t> Size() const override { return file_->Size(); }

 private:
  LocalVolume& volume_;
  const std::shared_ptr<File> file_;
  const std::string directory_;
};

LocalVolume::LocalVolume(std::string root, const Uuid& store, const Uuid& id, FileSystem& files)
    : root_(std::move(root)), store_(store), id_(id), files_(files) {}

std::unique_ptr<LocalVolume> LocalVolume::Offline(std::string root, const Uuid& store,
                                                  const Uuid& id, std::string why,
                                                  FileSystem& files) {
  auto volume = std::make_unique<LocalVolume>(std::move(root), store, id, files);
  volume->state_ = VolumeState::kOffline;
  volume->why_ = std::move(why);
  return volume;
}

std::string LocalVolume::why() const {
  const std::lock_guard lock(mutex_);
  return state_ == VolumeState::kOnline ? "" : why_;
}

void LocalVolume::SetFailed(const std::string& why) {
  const std::lock_guard lock(mutex_);
  if (state_ == VolumeState::kOffline || state_ == VolumeState::kRemoved) return;
  state_ = VolumeState::kFailed;
  why_ = why;
}

void LocalVolume::RefuseNew(bool refuse) {
  const std::unique_lock lock(creating_);
  refuses_ = refuse;
}

void LocalVolume::SetRemoved() {
  std::map<const File*, std::shared_ptr<File>> closed;  // Without the lock, as it may hang.
  {
    const std::lock_guard lock(mutex_);
    state_ = VolumeState::kRemoved;
    why_ = "it was removed from the store";
    closed.swap(dirty_files_);
    dirty_directories_.clear();
  }
  closed.clear();
  const std::lock_guard lock(sync_mutex_);
  own_mount_.reset();
}

Status LocalVolume::Attach() {
  LB_TRY_ASSIGN(own, files_.Stat(root_));
  LB_TRY_ASSIGN(parent, files_.Stat(Parent(root_)));
  std::unique_ptr<File> own_mount;
  if (own.device != parent.device) {
    LB_TRY_ASSIGN(directory, files_.OpenDirectory(root_));
    own_mount = std::move(directory);
  }
  const std::lock_guard lock(sync_mutex_);
  own_mount_ = std::move(own_mount);
  return Ok();
}

std::string LocalVolume::PathOf(std::string_view relative) const {
  return JoinPath(root_, relative);
}

Status LocalVolume::CheckPresent() const {
  const VolumeState state = state_;
  if (state != VolumeState::kOffline && state != VolumeState::kRemoved) return Ok();
  const std::lock_guard lock(mutex_);
  return Fail(Code::kUnavailable,
              "volume " + root_ + " is " + std::string(VolumeStateName(state)) + ": " + why_);
}

Status LocalVolume::CheckIdentity() const {
  LB_TRY(CheckPresent());
  return CheckNamesUs();
}

Status LocalVolume::CheckNamesUs() const {
  const std::string path = PathOf(kVolumeFile);
  auto file = ReadVolumeFile(files_, path);
  SetGone(!file || file->store != store_ || file->volume != id_);
  if (!file) return Fail(Code::kDiskFailed, "volume " + root_ + " is gone: " + file.message());
  if (file->store != store_ || file->volume != id_) {
    return Fail(Code::kDiskFailed, "volume " + root_ + " was exchanged: " + path +
                                       " names volume " + file->volume.text() + ", not " +
                                       id_.text());
  }
  return Ok();
}

void LocalVolume::NoteWritten(const std::shared_ptr<File>& file) {
  const std::lock_guard lock(mutex_);
  dirty_files_.emplace(file.get(), file);
}

void LocalVolume::NoteDirectory(const std::string& directory) {
  const std::lock_guard lock(mutex_);
  dirty_directories_.insert(directory);
}

Status LocalVolume::EnsureDirectory(const StreamId& stream, const std::string& directory) {
  {
    const std::lock_guard lock(mutex_);
    const auto known = made_.find(stream);
    if (known != made_.end() && known->second == directory) return Ok();
  }
  LB_TRY(files_.MakeDirectories(directory));
  const std::lock_guard lock(mutex_);
  std::string above = directory;
  for (int i = 0; i < kFoldersAboveDay; ++i) {
    above = Parent(above);
    dirty_directories_.insert(above);
  }
  made_[stream] = directory;
  return Ok();
}

Result<std::unique_ptr<File>> LocalVolume::Create(const index::SegmentKey& key) {
  const std::shared_lock creating(creating_);
  if (refuses_) return Fail(Code::kUnavailable, "volume " + root_ + " is being removed");
  // Whatever else changes names asks too: another volume in this one's place may have all of its
  // directories.
  LB_TRY(CheckIdentity());
  const std::string path = PathOf(SegmentPath(key));
  const std::string directory = Parent(path);
  LB_TRY(EnsureDirectory(key.stream, directory));
  auto file = files_.Open(path, OpenMode::kCreateNew);
  if (!file && file.code() == Code::kNotFound) {
    // Retention removed the directory when it became empty.
    {
      const std::lock_guard lock(mutex_);
      made_.erase(key.stream);
    }
    LB_TRY(EnsureDirectory(key.stream, directory));
    file = files_.Open(path, OpenMode::kCreateNew);
  }
  if (!file) return Pass(file.error());
  NoteDirectory(directory);
  return std::unique_ptr<File>(
      new TrackedFile(*this, std::shared_ptr<File>(std::move(*file)), directory));
}

Result<std::unique_ptr<File>> LocalVolume::Open(const index::SegmentKey& key) {
  LB_TRY(CheckPresent());
  auto file = files_.Open(PathOf(SegmentPath(key)), OpenMode::kRead);
  if (file) SetGone(false);
  if (file || file.code() != Code::kNotFound) return file;
  // Of a disk that is not mounted any more no file is gone.
  if (const Status ours = CheckIdentity(); !ours) return Fail(Code::kUnavailable, ours.message());
  return file;
}

Result<std::unique_ptr<File>> LocalVolume::OpenToRepair(const index::SegmentKey& key) {
  LB_TRY(CheckIdentity());
  const std::string path = PathOf(SegmentPath(key));
  LB_TRY_ASSIGN(file, files_.Open(path, OpenMode::kReadWrite));
  return std::unique_ptr<File>(
      new TrackedFile(*this, std::shared_ptr<File>(std::move(file)), Parent(path)));
}

Status LocalVolume::Remove(const index::SegmentKey& key) {
  LB_TRY(CheckIdentity());
  const std::string path = PathOf(SegmentPath(key));
  const std::string day = Parent(path);
  LB_TRY(files_.Remove(path));
  // A day's directory goes with its last file; while others are in it this fails, and may.
  const bool emptied = files_.Remove(day).has_value();
  NoteDirectory(emptied ? Parent(day) : day);
  return Ok();
}

Status LocalVolume::Quarantine(const index::SegmentKey& key) {
  LB_TRY(CheckIdentity());
  std::string name = SegmentPath(key);
  const std::string from = PathOf(name);
  const std::string folder = PathOf(kQuarantineFolder);
  std::replace(name.begin(), name.end(), '/', '_');
  LB_TRY(files_.MakeDirectories(folder));
  LB_TRY(files_.Rename(from, JoinPath(folder, name)));
  LB_TRY(files_.SyncDirectory(folder));
  LB_TRY(files_.SyncDirectory(root_));
  return files_.SyncDirectory(Parent(from));
}

Status LocalVolume::SyncDirectories(const std::string& directory) {
  std::string path = directory;
  for (int i = 0; i <= kFoldersAboveDay; ++i) {
    LB_TRY(files_.SyncDirectory(path));
    path = Parent(path);
  }
  return Ok();
}

Status LocalVolume::Sync() {
  if (state_ == VolumeState::kRemoved) return Ok();  // There was nothing to sync.
  LB_TRY(CheckPresent());
  const std::lock_guard sync_lock(sync_mutex_);
  std::map<const File*, std::shared_ptr<File>> written;
  std::set<std::string> directories;
  {
    const std::lock_guard lock(mutex_);
    written.swap(dirty_files_);
    directories.swap(dirty_directories_);
  }
  if (written.empty() && directories.empty()) return Ok();
  if (own_mount_) return own_mount_->SyncFileSystem();

  Status first = Ok();
  for (const auto& [pointer, file] : written) {
    const Status status = file->Sync();
    if (!status && first) first = status;
  }
  for (const std::string& directory : directories) {
    const Status status = files_.SyncDirectory(directory);
    if (status || status.code() == Code::kNotFound) continue;  // Removed meanwhile.
    NoteDirectory(directory);
    if (first) first = status;
  }
  return first;
}

Status LocalVolume::Probe() {
  LB_TRY(CheckIdentity());
  // A disk that was pulled and plugged in is another mount, of which the old
  // descriptor syncs nothing.
  if (state_ == VolumeState::kFailed) LB_TRY(Attach());
  LB_TRY(ProbeByWriting());
  const std::lock_guard lock(mutex_);
  if (state_ == VolumeState::kFailed) state_ = VolumeState::kOnline;
  return Ok();
}

Status LocalVolume::Return() {
  if (state_ != VolumeState::kOffline) return CheckPresent();
  LB_TRY(CheckNamesUs());
  LB_TRY(Attach());
  // A full volume is read and purged as ever.
  const Status written = ProbeByWriting();
  if (!written && written.code() != Code::kDiskFull) return written;
  const std::lock_guard lock(mutex_);
  if (state_ == VolumeState::kOffline) state_ = VolumeState::kOnline;
  return Ok();
}

Status LocalVolume::ProbeByWriting() {
  const std::string path = PathOf(kProbeFile);
  if (Exists(files_, path)) LB_TRY(files_.Remove(path));
  Status written = Ok();
  {
    LB_TRY_ASSIGN(file, files_.Open(path, OpenMode::kCreateNew));
    const Bytes bytes(kProbeBytes, 0x5a);
    const ByteSpan part(bytes);
    written = file->WriteAt(0, std::span(&part, 1));
    if (written) written = file->Sync();
  }
  const Status removed = files_.Remove(path);
  return written ? removed : written;
}

Result<Space> LocalVolume::FreeSpace() {
  LB_TRY(CheckPresent());
  // For there() too: nothing else asks an idle disk again and again. Below a mount point that is
  // bare now lies another disk, whose space is not this volume's.
  LB_TRY(CheckNamesUs());
  return files_.FreeSpace(root_);
}

Result<std::string> LocalVolume::LedgerDirectory() {
  LB_TRY(CheckIdentity());
  std::string directory = LedgerCopyPath(root_);
  if (!Exists(files_, directory)) {
    LB_TRY(files_.MakeDirectories(directory));
    ledger_directory_synced_ = false;
  }
  if (!ledger_directory_synced_) {
    LB_TRY(files_.SyncDirectory(Parent(directory)));
    LB_TRY(files_.SyncDirectory(root_));
    ledger_directory_synced_ = true;
  }
  return directory;
}

Result<std::vector<std::string>> LocalVolume::Folders(
    const std::string& path, const std::function<bool(const std::string&)>& accept,
    std::vector<Found>& strays) const {
  std::vector<std::string> names;
  auto entries = files_.List(PathOf(path));
  if (!entries && entries.code() == Code::kNotFound) return names;  // Emptied meanwhile.
  if (!entries) return Pass(entries.error());
  for (const DirEntry& entry : *entries) {
    if (entry.is_directory && accept(entry.name)) {
      names.push_back(entry.name);
    } else {
      strays.push_back({.key = {}, .path = JoinPath(path, entry.name), .stray = true});
    }
  }
  return names;
}

Result<std::vector<Volume::Day>> LocalVolume::ListDays(std::vector<Found>& strays) const {
  LB_TRY(CheckPresent());
  std::vector<Day> days;
  const std::string top(kFormatFolder);
  const auto is_camera = [](const std::string& name) { return CameraId::Parse(name).has_value(); };
  const auto is_stream = [](const std::string& name) { return ParseStream(name).has_value(); };
  LB_TRY_ASSIGN(cameras, Folders(top, is_camera, strays));
  for (const std::string& camera : cameras) {
    // A camera may have that name too: its streams stand beside the copy's files,
    // which are no strays.
    std::vector<Found> of_copy;
    LB_TRY_ASSIGN(streams, Folders(JoinPath(top, camera), is_stream,
                                   camera == kLedgerCopyFolder ? of_copy : strays));
    for (const std::string& stream : streams) {
      const StreamId id{*CameraId::Parse(camera), *ParseStream(stream)};
      LB_TRY_ASSIGN(names, Folders(JoinPath(top, id.text()), IsDay, strays));
      for (std::string& name : names) days.push_back({id, std::move(name)});
    }
  }
  std::sort(days.begin(), days.end(), [](const Day& a, const Day& b) {
    return a.name != b.name ? a.name > b.name : a.stream < b.stream;
  });
  return days;
}

Result<std::vector<Volume::Day>> LocalVolume::Days() {
  std::vector<Found> strays;
  return ListDays(strays);
}

Status LocalVolume::VisitFiles(const std::function<bool(const Found&)>& visit,
                               const std::function<bool(const Day&)>& wants) {
  std::vector<Found> found;
  LB_TRY_ASSIGN(days, ListDays(found));
  std::erase_if(days, [&](const Day& day) { return !wants(day); });
  for (size_t next = 0;; ++next) {
    for (const Found& file : found) {
      if (!visit(file)) return Ok();
    }
    if (next == days.size()) return Ok();
    LB_TRY_ASSIGN(files, FilesOf(days[next]));
    found = std::move(files);
  }
}

Result<std::vector<Volume::Found>> LocalVolume::FilesOf(const Day& day) {
  LB_TRY(CheckPresent());
  std::string folder(kFormatFolder);
  folder.append("/").append(day.stream.text()).append("/").append(day.name);
  std::vector<Found> found;
  auto entries = files_.List(PathOf(folder));
  if (!entries && entries.code() == Code::kNotFound) return found;  // Emptied meanwhile.
  if (!entries) return Pass(entries.error());
  found.reserve(entries->size());
  for (const DirEntry& entry : *entries) {
    Found file{.key = {}, .path = JoinPath(folder, entry.name), .stray = true};
    if (!entry.is_directory) {
      if (auto key = ParseSegmentPath(file.path)) {
        file.key = *key;
        file.stray = false;
      }
    }
    found.push_back(std::move(file));
  }
  return found;
}

}  // namespace lookback::storage
