#include <algorithm>
#include <filesystem>

#include "base/log.h"
#include "storage/data_directory.h"
#include "storage/layout.h"
#include "storage/local_volume.h"
#include "storage/volume_file.h"

namespace lookback::storage {
namespace {

std::string ParentOf(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

// Whether `root` holds nothing but what a file system or our own interrupted start puts there.
Result<bool> IsEmpty(FileSystem& files, const std::string& root) {
  LB_TRY_ASSIGN(entries, files.List(root));
  return std::all_of(entries.begin(), entries.end(), [](const DirEntry& entry) {
    return entry.name == "lost+found" || entry.name == std::string(kVolumeFile) + ".new";
  });
}

Status CheckEmpty(FileSystem& files, const std::string& root) {
  LB_TRY_ASSIGN(empty, IsEmpty(files, root));
  if (empty) return Ok();
  return Fail(Code::kInvalid,
              root + " is not a volume, and not empty: it has no " + std::string(kVolumeFile));
}

std::string OfAnotherStore(const std::string& root, const VolumeFile& identity,
                           const std::string& store) {
  return root + " is volume " + identity.volume.text() + " of store " + identity.store.text() +
         ", not of this store, " + store;
}

Result<VolumeFile> InitialiseVolume(const std::string& root, const Uuid& store, FileSystem& files) {
  LB_TRY(files.MakeDirectories(root));
  LB_TRY(CheckEmpty(files, root));
  const VolumeFile identity{store, Uuid::Random()};
  LB_TRY(WriteVolumeFile(files, JoinPath(root, kVolumeFile), identity));
  LB_TRY(files.SyncDirectory(ParentOf(root)));
  LogInfo("volume", root + " is now volume " + identity.volume.text());
  return identity;
}

}  // namespace

Status CheckVolumeRoot(const std::string& root, FileSystem& files) {
  const auto there = files.Stat(root);
  if (there && !there->is_directory) {
    return Fail(Code::kInvalid, root + " is a file, and a volume is a directory");
  }
  if (Exists(files, JoinPath(root, kStoreFile))) {
    return Fail(Code::kInvalid, root +
                                    " is the data directory of a store; a volume is a directory "
                                    "of its own, on a disk of its own");
  }
  return Ok();
}

Status CheckVolume(const std::string& root, const Uuid* store, FileSystem& files) {
  LB_TRY(CheckVolumeRoot(root, files));
  const auto identity = ReadVolumeFile(files, JoinPath(root, kVolumeFile));
  if (!identity && identity.code() != Code::kNotFound) return Pass(identity.error());
  if (!identity) return Exists(files, root) ? CheckEmpty(files, root) : Ok();
  if (store != nullptr && identity->store == *store) return Ok();
  return Fail(Code::kInvalid,
              OfAnotherStore(root, *identity, store != nullptr ? store->text() : "which is new"));
}

Result<std::unique_ptr<Volume>> OpenLocalVolume(const std::string& root, const Uuid& store,
                                                const Uuid* known, FileSystem& files) {
  const auto offline = [&](std::string why) {
    LogError("volume", root + " is offline: " + why);
    return std::unique_ptr<Volume>(
        LocalVolume::Offline(root, store, *known, std::move(why), files));
  };
  auto identity = ReadVolumeFile(files, JoinPath(root, kVolumeFile));
  if (!identity && identity.code() == Code::kUnsupported) return Pass(identity.error());
  if (!identity && known) return offline(identity.message());
  if (!identity && identity.code() == Code::kNotFound) {
    identity = InitialiseVolume(root, store, files);
  }
  if (!identity) return Pass(identity.error());
  if (identity->store != store) {
    std::string why = OfAnotherStore(root, *identity, store.text());
    if (known) return offline(std::move(why));
    return Fail(Code::kInvalid, std::move(why));
  }
  if (known && *known != identity->volume) {
    return offline("it holds volume " + identity->volume.text() + ", not " + known->text());
  }

  auto volume = std::make_unique<LocalVolume>(root, store, identity->volume, files);
  LB_TRY(volume->Attach());
  // A full volume is read and purged as ever, and takes footage again once there is space.
  const Status probe = volume->Probe();
  if (!probe) LogError("volume", root + " failed its probe: " + probe.message());
  if (!probe && probe.code() != Code::kDiskFull) volume->SetFailed(probe.message());
  return std::unique_ptr<Volume>(std::move(volume));
}

}  // namespace lookback::storage
