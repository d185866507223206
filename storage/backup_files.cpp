#include "storage/backup_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "storage/ledger_file.h"
#include "storage/snapshot.h"
#include "storage/store_catalog.h"
#include "storage/volume_file.h"

namespace lookback::storage {
namespace {

using nlohmann::json;

constexpr uint64_t kMaxInfoBytes = 1 << 20;
constexpr uint64_t kMaxManifestBytes = 16 << 20;
constexpr std::string_view kFresh = ".new";
constexpr std::string_view kBetween = "  ";  // As sha256sum writes it.
constexpr size_t kDigestLetters = 2 * sizeof(Sha256Digest);

tl::unexpected<Error> Bad(const std::string& path, std::string_view what) {
  return Fail(Code::kCorrupt, path + " is damaged: it has no good \"" + std::string(what) + "\"");
}

std::string TextOf(const json& object, const char* name) {
  const auto found = object.is_object() ? object.find(name) : object.end();
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool IsPlain(std::string_view name) {
  return !name.empty() && name.front() != '.' && name.find('/') == std::string_view::npos &&
         std::none_of(name.begin(), name.end(),
                      [](unsigned char c) { return c < ' ' || c == '\\'; });
}

bool IsLedgerName(std::string_view name) {
  uint64_t first = 0;
  return ParseLedgerFileName(name, first);
}

std::string NameOf(const std::string& path) { return path.substr(path.rfind('/') + 1); }

bool IsUnfinishedName(std::string_view name) {
  if (!name.ends_with(kUnfinishedBackup)) return false;
  name.remove_suffix(kUnfinishedBackup.size());
  return IsBackupName(name);
}

bool IsWhole(const std::string& backup, FileSystem& files) {
  return Exists(files, JoinPath(backup, kBackupManifest)) &&
         Exists(files, JoinPath(backup, kBackupFile));
}

// The directories in `into` that are wanted, newest first: sorted by name they are by time.
Result<std::vector<std::string>> List(const std::string& into, FileSystem& files,
                                      const std::function<bool(const std::string&)>& wanted) {
  std::vector<std::string> found;
  LB_TRY_ASSIGN(entries, files.List(into));
  for (const DirEntry& entry : entries) {
    const std::string path = JoinPath(into, entry.name);
    if (entry.is_directory && wanted(path)) found.push_back(path);
  }
  std::reverse(found.begin(), found.end());
  return found;
}

Status ReadVolumes(const json& object, const std::string& path, BackupInfo& info) {
  const auto volumes = object.find("volumes");
  if (volumes == object.end() || !volumes->is_array()) return Bad(path, "volumes");
  for (const json& entry : *volumes) {
    const auto id = Uuid::Parse(TextOf(entry, "id"));
    if (!id) return Bad(path, "volumes");
    info.volumes.push_back({TextOf(entry, "root"), *id});
  }
  return Ok();
}

}  // namespace

std::string BackupInfoText(const BackupInfo& info) {
  json volumes = json::array();
  for (const auto& volume : info.volumes) {
    volumes.push_back({{"root", volume.root}, {"id", volume.id.text()}});
  }
  const json object{{"format", kBackupFormatVersion},
                    {"store", info.store.text()},
                    {"time", FormatTime(info.taken_us)},
                    {"program", info.program},
                    {"data", info.data},
                    {"tree_size", info.records},
                    {"damaged_records", info.damaged_records},
                    {"root_hash", info.root ? json(HexEncode(*info.root)) : json()},
                    {"snapshot", info.snapshot.empty() ? json() : json(info.snapshot)},
                    {"volumes", volumes},
                    {"notes", info.notes}};
  // Roots are file names, which need not be UTF-8.
  return object.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

Result<std::string> NoteLastBackup(const std::string& data, const std::string& backup,
                                   TimeUs taken_us, FileSystem& files) {
  const json note = {{"time", FormatTime(taken_us)}, {"backup", backup}};
  // A name that is not UTF-8 is of use to a person still.
  const std::string text = note.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
  std::string path = JoinPath(data, kLastBackupFile);
  LB_TRY(WriteFileDurably(files, path, AsBytes(text)));
  return path;
}

Result<BackupInfo> ReadBackupInfo(const std::string& backup, FileSystem& files) {
  const std::string path = JoinPath(backup, kBackupFile);
  LB_TRY_ASSIGN(bytes, ReadFile(files, path, kMaxInfoBytes));
  const json object = json::parse(bytes, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return Fail(Code::kCorrupt, path + " is damaged: it is no JSON object");
  const auto format = object.find("format");
  if (format == object.end() || !format->is_number_unsigned()) return Bad(path, "format");
  if (format->get<uint64_t>() > kBackupFormatVersion) {
    return Fail(Code::kUnsupported,
                path + " has format " + std::to_string(format->get<uint64_t>()) +
                    "; this program knows formats up to " + std::to_string(kBackupFormatVersion));
  }
  BackupInfo info;
  const auto store = Uuid::Parse(TextOf(object, "store"));
  if (!store) return Bad(path, "store");
  info.store = *store;
  const auto taken = ParseTime(TextOf(object, "time"));
  if (!taken) return Bad(path, "time");
  info.taken_us = *taken;
  info.program = TextOf(object, "program");
  info.data = TextOf(object, "data");
  info.snapshot = TextOf(object, "snapshot");
  const auto records = object.find("tree_size");
  if (records == object.end() || !records->is_number_unsigned()) return Bad(path, "tree_size");
  info.records = records->get<uint64_t>();
  const auto damaged = object.find("damaged_records");
  if (damaged == object.end() || !damaged->is_number_unsigned())
    return Bad(path, "damaged_records");
  info.damaged_records = damaged->get<uint64_t>();
  if (const std::string text = TextOf(object, "root_hash"); !text.empty()) {
    Bytes digest;
    if (!HexDecode(text, digest) || digest.size() != sizeof(Sha256Digest)) {
      return Bad(path, "root_hash");
    }
    std::copy(digest.begin(), digest.end(), info.root.emplace().begin());
  }
  LB_TRY(ReadVolumes(object, path, info));
  return info;
}

std::string ManifestText(const BackupManifest& manifest) {
  std::string text;
  for (const auto& [name, digest] : manifest) text += digest + std::string(kBetween) + name + "\n";
  return text;
}

Result<BackupManifest> ReadBackupManifest(const std::string& backup, FileSystem& files) {
  const std::string path = JoinPath(backup, kBackupManifest);
  const auto bytes = ReadFile(files, path, kMaxManifestBytes);
  if (!bytes && bytes.code() == Code::kNotFound) {
    return Fail(Code::kNotFound,
                backup + " is no finished backup: it has no " + std::string(kBackupManifest));
  }
  if (!bytes) return Pass(bytes.error());
  BackupManifest manifest;
  std::string_view text = AsText(*bytes);
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    Bytes digest;
    const bool good = end != std::string_view::npos &&
                      line.size() > kDigestLetters + kBetween.size() &&
                      HexDecode(line.substr(0, kDigestLetters), digest) &&
                      HexEncode(digest) == line.substr(0, kDigestLetters) &&
                      line.substr(kDigestLetters, kBetween.size()) == kBetween;
    const std::string name(good ? line.substr(kDigestLetters + kBetween.size()) : "");
    if (!good || !IsBackupFile(name)) {
      return Fail(Code::kCorrupt, path + " is damaged: a line is no digest and name of a file");
    }
    manifest[name] = HexEncode(digest);
    text.remove_prefix(end + 1);
  }
  for (const std::string_view needed : {kBackupFile, std::string_view("store.json")}) {
    if (manifest.contains(std::string(needed))) continue;
    return Fail(Code::kCorrupt, path + " is damaged: it does not name " + std::string(needed));
  }
  return manifest;
}

bool IsBackupFile(std::string_view name) {
  if (name == kBackupFile || name == "store.json") return true;
  if (name.starts_with(kSharedLedger)) return IsLedgerName(name.substr(kSharedLedger.size()));
  const size_t slash = name.find('/');
  if (slash == std::string_view::npos) return false;
  const std::string_view folder = name.substr(0, slash), file = name.substr(slash + 1);
  if (folder == "ledger") return IsLedgerName(file);
  return (folder == kSecretsFolder || folder == kSnapshotFolder) && IsPlain(file);
}

std::string BackupName(TimeUs time_us) {
  std::string name = FormatTime(time_us - time_us % kUsPerSecond);
  std::erase_if(name, [](char c) { return c == '-' || c == ':'; });
  name.pop_back();
  return fmt::format("{}.{:03}Z", name, time_us % kUsPerSecond / kUsPerMs);
}

bool IsBackupName(std::string_view name) {
  constexpr std::string_view kForm = "00000000T000000.000Z";
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  for (size_t i = 0; i < kForm.size(); ++i) {
    if (i >= name.size()) return false;
    if (kForm[i] == '0' ? !is_digit(name[i]) : name[i] != kForm[i]) return false;
  }
  name.remove_prefix(kForm.size());
  return name.empty() ||
         (name.size() > 1 && name[0] == '-' && std::all_of(name.begin() + 1, name.end(), is_digit));
}

Result<std::vector<std::string>> ListBackups(const std::string& into, FileSystem& files) {
  return List(into, files, [&files](const std::string& path) {
    return IsBackupName(NameOf(path)) && IsWhole(path, files);
  });
}

Result<std::vector<std::string>> ListUnfinishedBackups(const std::string& into, FileSystem& files) {
  return List(into, files, [&files](const std::string& path) {
    const std::string name = NameOf(path);
    return IsUnfinishedName(name) || (IsBackupName(name) && !IsWhole(path, files));
  });
}

TimeUs BackupTime(const std::string& backup) {
  std::string text = NameOf(backup);
  if (!IsBackupName(text) && !IsUnfinishedName(text)) return 0;
  return ParseTime(fmt::format("{}-{}-{}:{}:{}", text.substr(0, 4), text.substr(4, 2),
                               text.substr(6, 5), text.substr(11, 2),
                               text.substr(13, text.find('Z') - 12)))
      .value_or(0);
}

Status RemoveBackup(const std::string& backup, FileSystem& files) {
  std::string path = backup;
  if (!path.ends_with(kUnfinishedBackup)) {
    path += kUnfinishedBackup;
    LB_TRY(files.Rename(backup, path));
    LB_TRY(files.SyncDirectory(path.substr(0, path.rfind('/'))));
  }
  LB_TRY_ASSIGN(entries, files.List(path));
  for (const DirEntry& entry : entries) {
    const std::string inner = JoinPath(path, entry.name);
    LB_TRY(entry.is_directory ? RemoveFlat(files, inner) : files.Remove(inner));
  }
  return files.Remove(path);
}

Status RemoveUnfinishedBackups(const std::string& into, FileSystem& files) {
  LB_TRY_ASSIGN(entries, files.List(into));
  for (const DirEntry& entry : entries) {
    if (!entry.is_directory || !IsUnfinishedName(entry.name)) continue;
    LB_TRY(RemoveBackup(JoinPath(into, entry.name), files));
  }
  const std::string shared = JoinPath(into, "ledger");
  const auto ledger = files.List(shared);
  if (!ledger && ledger.code() == Code::kNotFound) return Ok();
  if (!ledger) return Pass(ledger.error());
  for (const DirEntry& entry : *ledger) {
    if (entry.name.ends_with(kFresh)) LB_TRY(files.Remove(JoinPath(shared, entry.name)));
  }
  return Ok();
}

Result<std::string> DigestFile(const std::string& path, FileSystem& files,
                               const OnBytes& on_bytes) {
  LB_TRY_ASSIGN(file, files.Open(path, OpenMode::kRead));
  Sha256Hasher hasher;
  Bytes piece(kBackupPieceBytes);
  for (uint64_t at = 0;;) {
    LB_TRY_ASSIGN(count, file->ReadAt(at, piece));
    if (count == 0) return HexEncode(hasher.Finish());
    hasher.Update(ByteSpan(piece).first(count));
    at += count;
    if (on_bytes) LB_TRY(on_bytes(count));
  }
}

Result<std::string> CopyFile(const std::string& from, uint64_t bytes, const std::string& to,
                             OpenMode mode, FileSystem& files, const OnBytes& on_bytes) {
  LB_TRY_ASSIGN(source, files.Open(from, OpenMode::kReadNoLink));
  LB_TRY_ASSIGN(target, files.Open(to, mode));
  Sha256Hasher hasher;
  const Status copied = [&, &source = source, &target = target]() -> Status {
    Bytes piece;
    for (uint64_t at = 0, synced = 0; at < bytes; at += piece.size()) {
      piece.resize(static_cast<size_t>(std::min(kBackupPieceBytes, bytes - at)));
      LB_TRY_ASSIGN(count, source->ReadAt(at, piece));
      if (count < piece.size()) {
        return Fail(Code::kConflict, from + " became shorter while it was copied");
      }
      const ByteSpan part(piece);
      LB_TRY(target->WriteAt(at, std::span(&part, 1)));
      hasher.Update(part);
      if (at + piece.size() - synced >= kBackupSyncBytes) {
        LB_TRY(target->Sync());
        synced = at + piece.size();
      }
      if (on_bytes) LB_TRY(on_bytes(count));
    }
    return target->Sync();
  }();
  source->ForgetCached();  // Nobody else reads it: others' pages shall not go for it.
  target.reset();
  if (copied) return HexEncode(hasher.Finish());
  (void)files.Remove(to);
  return Pass(copied.error());
}

}  // namespace lookback::storage
