#include "storage/data_directory.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "storage/layout.h"
#include "storage/volume.h"

namespace lookback::storage {
namespace {

// What may stand in a directory that is not a store yet: what a file system, an administrator who
// prepared keys, or our own interrupted first start puts there.
bool MayPrecede(const DirEntry& entry) {
  static constexpr std::array<std::string_view, 4> kNames = {"lock", "lost+found", "secrets",
                                                             "store.json.new"};
  return std::find(kNames.begin(), kNames.end(), entry.name) != kNames.end();
}

bool WasBeingRestored(const std::string& data, FileSystem& files) {
  const std::string waiting = JoinPath(data, kWaitingStoreFile);
  return Exists(files, waiting) || Exists(files, waiting + ".new");
}

std::string InterruptedRestore(const std::string& data) {
  return fmt::format(
      "a restore into {0} was interrupted: do it again, `lookback restore DIR --data {0}`, "
      "where DIR has the backups; it begins anew. Where there is none, `lookback rebuild "
      "--data NEW --volume ROOT` makes a store of the volumes in NEW, a directory that is empty or "
      "not there",
      data);
}

}  // namespace

std::string AbsolutePath(const std::string& path) {
  std::error_code error;
  const auto absolute = std::filesystem::absolute(path, error);
  std::string normal = (error ? std::filesystem::path(path) : absolute).lexically_normal().string();
  if (normal.size() > 1 && normal.back() == '/') normal.pop_back();
  return normal;
}

Status DataDirectory::CheckOurs() const {
  if (Exists(files_, JoinPath(path_, kStoreFile))) return Ok();
  if (WasBeingRestored(path_, files_)) return Fail(Code::kInvalid, InterruptedRestore(path_));
  LB_TRY_ASSIGN(entries, files_.List(path_));
  const auto other = std::find_if_not(entries.begin(), entries.end(), MayPrecede);
  if (other == entries.end()) return Ok();
  return Fail(Code::kInvalid, path_ + " is not a store: it has no " + std::string(kStoreFile) +
                                  ", and is not empty (it holds \"" + other->name + "\")");
}

Result<std::unique_ptr<DataDirectory>> DataDirectory::Open(const std::string& path,
                                                           FileSystem& files) {
  LB_TRY(files.MakeDirectories(path));
  std::unique_ptr<DataDirectory> directory(new DataDirectory(path, files));
  LB_TRY(directory->CheckOurs());
  LB_TRY_ASSIGN(lock, files.Lock(JoinPath(path, kLockFile)));
  directory->lock_ = std::move(lock);

  auto file = ReadStore(path, files);
  if (!file && file.code() != Code::kNotFound) return Pass(file.error());
  if (!file) {
    StoreFile fresh;
    fresh.store = Uuid::Random();
    file = fresh;
    const auto parent = std::filesystem::path(AbsolutePath(path)).parent_path().string();
    LB_TRY(files.SyncDirectory(parent));
  }
  if (file->epoch == UINT32_MAX) return Fail(Code::kInvalid, path + " has used all its epochs");
  ++file->epoch;
  LB_TRY(directory->Write(*file));
  return directory;
}

Status DataDirectory::Write(const StoreFile& file) {
  // Below a mount point that is bare now it would pass for a store.
  if (!Exists(files_, JoinPath(path_, kLockFile))) {
    return Fail(Code::kDiskFailed, path_ + " is gone from under this program");
  }
  LB_TRY(WriteStoreFile(files_, JoinPath(path_, kStoreFile), file));
  file_ = file;
  return Ok();
}

Result<StoreFile> ReadStore(const std::string& data, FileSystem& files) {
  const std::string path = JoinPath(data, kStoreFile);
  auto file = ReadStoreFile(files, path);
  if (file) return file;
  if (file.code() == Code::kNotFound) {
    if (WasBeingRestored(data, files)) return Fail(Code::kInvalid, InterruptedRestore(data));
    return Fail(Code::kNotFound, data + " is not a store: it has no " + std::string(kStoreFile));
  }
  if (file.code() != Code::kCorrupt) return file;
  return Fail(
      Code::kCorrupt,
      fmt::format("{0}; `mv {1} {1}.damaged`, then `lookback rebuild --data {2} --volume ROOT`, "
                  "with a --volume for each that the store has, makes it anew",
                  file.message(), path, data));
}

// A volume of another store is most often of this one, whose data directory was lost.
Status CheckAskedVolume(const std::string& root, const std::string& data, const Uuid* store,
                        FileSystem& files) {
  const Status checked = CheckVolume(root, store, files);
  const auto identity = ReadVolumeFile(files, JoinPath(root, kVolumeFile));
  if (checked || !identity || (store != nullptr && identity->store == *store)) return checked;
  const std::string to = store == nullptr ? data : "NEW";
  return Fail(
      checked.code(),
      fmt::format("{0}; if the data directory of that store was lost, `lookback restore DIR "
                  "--data {1} --volume {2}` brings it back from the backups in DIR, and `lookback "
                  "rebuild --data {1} --volume {2}` without one{3}",
                  checked.message(), to, root,
                  store == nullptr ? "" : "; NEW is a directory that is empty or not there"));
}

Status CheckAskedVolumes(const std::string& data, const std::vector<std::string>& volumes,
                         FileSystem& files) {
  const auto file = ReadStore(data, files);
  if (!file && file.code() != Code::kNotFound) return Pass(file.error());
  for (const std::string& asked : volumes) {
    const std::string root = AbsolutePath(asked);
    const bool known =
        file && std::any_of(file->volumes.begin(), file->volumes.end(),
                            [&root](const StoreFile::KnownVolume& v) { return v.root == root; });
    const bool removed =
        file && std::find(file->removed.begin(), file->removed.end(), root) != file->removed.end();
    if (!known && !removed)
      LB_TRY(CheckAskedVolume(root, data, file ? &file->store : nullptr, files));
  }
  return Ok();
}

}  // namespace lookback::storage
