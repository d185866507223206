#include "storage/stopped_store.h"

#include <algorithm>

#include "storage/data_directory.h"
#include "storage/layout.h"

namespace lookback::storage {
namespace {

// The store that the volumes name. A ledger that is gone counts as lost at the next start, since
// the mark says that it had a record.
Result<StoreFile> FromVolumes(const std::vector<std::string>& roots, FileSystem& files) {
  StoreFile file;
  file.ledger_mark = 1;
  for (const std::string& root : roots) {
    LB_TRY_ASSIGN(identity, ReadVolumeFile(files, JoinPath(root, kVolumeFile)));
    if (!file.volumes.empty() && identity.store != file.store) {
      return Fail(Code::kInvalid, root + " is of store " + identity.store.text() +
                                      ", and other volumes are of " + file.store.text());
    }
    file.store = identity.store;
    file.volumes.push_back({root, identity.volume});
  }
  return file;
}

Status CheckKnown(const StoreFile& file, const std::vector<std::string>& roots) {
  for (const std::string& root : roots) {
    const auto same = [&root](const StoreFile::KnownVolume& known) { return known.root == root; };
    if (std::any_of(file.volumes.begin(), file.volumes.end(), same)) continue;
    return Fail(Code::kInvalid, root +
                                    " is no volume that the store knows; `lookback serve "
                                    "--volume` tells it where one of its own is mounted now");
  }
  return Ok();
}

}  // namespace

LedgerPlaces StoppedStore::Ledgers() const {
  LedgerPlaces places{ledger(), {}, file.store, file.epoch + 1};
  for (const auto& volume : volumes) places.copies.push_back(LedgerCopyPath(volume->root()));
  return places;
}

Result<StoppedStore> OpenStopped(const std::string& data, const std::vector<std::string>& volumes,
                                 FileSystem& files) {
  std::vector<std::string> roots;
  for (const std::string& volume : volumes) roots.push_back(AbsolutePath(volume));
  StoppedStore store;
  store.data = data;
  const std::string path = JoinPath(data, kStoreFile);
  auto file = ReadStore(data, files);
  const bool lost = !file && file.code() == Code::kNotFound && !roots.empty();
  if (!file && !lost) return Pass(file.error());
  if (lost) {
    file = FromVolumes(roots, files);
    if (!file) return Pass(file.error());
    LB_TRY(files.MakeDirectories(data));
    store.notes.push_back(path + " was lost, and is written anew: store " + file->store.text());
  }
  LB_TRY(CheckKnown(*file, roots));
  auto lock = files.Lock(JoinPath(data, kLockFile));
  if (!lock) return Pass(lock.error(), "repair and rebuild need the store stopped");
  store.lock = std::move(*lock);
  if (lost) {
    LB_TRY(WriteStoreFile(files, path, *file));
  } else {
    // What was read before the lock may be from before another process's last start.
    file = ReadStoreFile(files, path);
    if (!file) return Pass(file.error());
  }
  store.file = std::move(*file);
  for (const StoreFile::KnownVolume& known : store.file.volumes) {
    const auto identity = ReadVolumeFile(files, JoinPath(known.root, kVolumeFile));
    if (identity && identity->store == store.file.store && identity->volume == known.id) {
      store.volumes.push_back(
          std::make_unique<LocalVolume>(known.root, store.file.store, known.id, files));
    } else {
      store.notes.push_back("volume " + known.root + " is not there, and was left out" +
                            (identity ? std::string() : ": " + identity.message()));
    }
  }
  return store;
}

}  // namespace lookback::storage
