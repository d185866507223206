#include "storage/backup_place.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "storage/data_directory.h"

namespace lookback::storage {
namespace {

constexpr size_t kMostNamed = 8;  // Of harmed backups; the rest are counted.

// Without links, as far as the path exists.
std::string RealPath(const std::string& path) {
  std::error_code error;
  const auto real = std::filesystem::weakly_canonical(AbsolutePath(path), error);
  return AbsolutePath(error ? path : real.string());
}

bool IsWithin(const std::string& path, const std::string& directory) {
  return path == directory || path.starts_with(directory == "/" ? directory : directory + "/");
}

std::string ListOf(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < names.size() && i < kMostNamed; ++i)
    text += (i > 0 ? ", " : "") + names[i];
  return names.size() <= kMostNamed
             ? text
             : fmt::format("{} and {} more", text, names.size() - kMostNamed);
}

}  // namespace

Status CheckPlace(const std::string& into, const std::string& data, const StoreFile& store,
                  FileSystem& files, const OnWarning& warn) {
  const std::string place = RealPath(into);
  if (IsWithin(place, RealPath(data))) {
    return Fail(Code::kInvalid, into + " is in the data directory " + data +
                                    ", and would be lost with it: name a place on another disk");
  }
  for (const StoreFile::KnownVolume& volume : store.volumes) {
    if (!IsWithin(place, RealPath(volume.root))) continue;
    return Fail(Code::kInvalid, into + " is in the volume " + volume.root +
                                    ", which is for footage: name a place on another disk");
  }
  const auto there = files.Stat(into);
  // One that is made here would be on the system's disk where the backup's own is not mounted.
  if (!there && there.code() == Code::kNotFound) {
    return Fail(Code::kNotFound,
                fmt::format("there is no {0}, and a backup does not make it: mount "
                            "its disk, then `mkdir -p -m 0700 {0}`",
                            into));
  }
  if (!there) return Pass(there.error());
  if (!there->is_directory) {
    return Fail(Code::kInvalid,
                into + " is a file: backups stand in a directory; name another one");
  }
  LB_TRY_ASSIGN(source, files.Stat(data));
  if (warn && source.device == there->device) {
    warn(
        fmt::format("{} and the data directory {} are on one file system: whoever loses that disk "
                    "loses both; is the disk for backups mounted?",
                    into, data));
  }
  return Ok();
}

Status CheckNoOther(const std::string& into, const Uuid& store, FileSystem& files) {
  for (const std::string_view name : {kStoreFile, std::string_view("volume.json")}) {
    if (!Exists(files, JoinPath(into, name))) continue;
    return Fail(Code::kInvalid, into + " has a " + std::string(name) +
                                    ": it is no place for backups; name an empty directory");
  }
  LB_TRY_ASSIGN(backups, ListBackups(into, files));
  for (const std::string& backup : backups) {
    const auto info = ReadBackupInfo(backup, files);
    if (!info || info->store == store) continue;
    return Fail(Code::kInvalid, into + " has backups of another store, " + info->store.text() +
                                    ": name a directory for this one alone");
  }
  return Ok();
}

Status SharedNames::Read(const std::string& into, FileSystem& files, const OnWarning& warn) {
  LB_TRY_ASSIGN(backups, ListBackups(into, files));
  for (const std::string& backup : backups) {
    auto manifest = ReadBackupManifest(backup, files);
    if (manifest) {
      backups_[backup.substr(backup.rfind('/') + 1)] = std::move(*manifest);
    } else if (warn) {
      warn("a backup that cannot be restored: " + manifest.message());
    }
  }
  return Ok();
}

bool SharedNames::Has(const std::string& name, const std::string& digest) const {
  return std::any_of(backups_.begin(), backups_.end(), [&](const auto& backup) {
    const auto found = backup.second.find(name);
    return found != backup.second.end() && found->second == digest;
  });
}

void SharedNames::Tell(const std::string& name, const std::string& path, const std::string& found,
                       const std::string& now, const OnWarning& warn) const {
  std::vector<std::string> mended, harmed;
  for (const auto& [backup, manifest] : backups_) {
    const auto named = manifest.find(name);
    if (named == manifest.end() || named->second == found) continue;
    (named->second == now ? mended : harmed).push_back(backup);
  }
  if (!warn) return;
  const std::string replaced = found == now ? ""
                                            : fmt::format(" was {}, and is replaced by the store's",
                                                          found.empty() ? "gone" : "damaged");
  if (!mended.empty()) {
    warn(fmt::format("{}{}; the backups that were harmed are whole again: {}. Look at the disk",
                     path, replaced, ListOf(mended)));
  }
  if (!harmed.empty()) {
    warn(fmt::format(
        "{}{}: these backups have another SHA-256 of it in {}, and cannot be restored: {}", path,
        replaced, kBackupManifest, ListOf(harmed)));
  }
}

}  // namespace lookback::storage
