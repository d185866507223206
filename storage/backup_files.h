// storage/backup_files.h: what stands in the directory of backups, and how its
// files are made and read.
//
//   <into>/ledger/<first record>.lkl   finished files of the ledger that are whole, for all backups
//   <into>/20260504T220000.000Z/       a backup, named for when it was begun (UTC)
//     backup.json                      what it is: BackupInfo
//     store.json  secrets/*  ledger/*.lkl  snapshots/*.lks
//     MANIFEST.sha256                  of all of it and of ../ledger; `sha256sum -c` reads it there
//   <into>/*.partial                   one that was interrupted, or that is being removed
//
// Invariant: a directory that is not named *.partial holds a whole backup. Every file is its
//            owner's alone to read (0600, directories 0700): passwords are in them.
// Threads:   values.
// Errors:    those of the disk, with the path; kCorrupt and kUnsupported of what was read.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/checksum.h"
#include "base/file_system.h"
#include "base/ids.h"
#include "base/time.h"

namespace lookback::storage {

inline constexpr uint32_t kBackupFormatVersion = 1;
inline constexpr std::string_view kBackupFile = "backup.json";
inline constexpr std::string_view kBackupManifest = "MANIFEST.sha256";
inline constexpr std::string_view kSharedLedger = "../ledger/";  // From within a backup.
inline constexpr std::string_view kUnfinishedBackup = ".partial";
inline constexpr std::string_view kSecretsFolder = "secrets";
// In the data directory: when the last backup was taken, for who looks whether there is one.
inline constexpr std::string_view kLastBackupFile = "last-backup.json";

struct BackupInfo {
  struct KnownVolume {
    std::string root;
    Uuid id;
  };
  Uuid store;
  TimeUs taken_us = 0;
  std::string program;  // Version that took it.
  std::string data;     // The data directory that it is of.
  uint64_t records = 0;
  uint64_t damaged_records = 0;      // Of them, which the store has lost, and so has the backup.
  std::optional<Sha256Digest> root;  // Of the hash tree over them; none where a leaf is lost.
  std::string snapshot;              // The file's name; empty: none was good.
  std::vector<KnownVolume> volumes;
  std::vector<std::string> notes;  // What was not as it should be: a sentence each.
};
std::string BackupInfoText(const BackupInfo& info);
// Of the backup in that directory. kUnsupported: a later program took it.
Result<BackupInfo> ReadBackupInfo(const std::string& backup, FileSystem& files);

// Writes kLastBackupFile, and says where: of a backup of that time, at that path.
Result<std::string> NoteLastBackup(const std::string& data, const std::string& backup,
                                   TimeUs taken_us, FileSystem& files);

// The names of the files, from within the backup, and their SHA-256 in hex.
using BackupManifest = std::map<std::string, std::string>;
std::string ManifestText(const BackupManifest& manifest);
// kNotFound: it has none, and is no finished backup. kCorrupt: a line that we never wrote.
Result<BackupManifest> ReadBackupManifest(const std::string& backup, FileSystem& files);
// Whether a backup may hold a file of that name: nothing else is ever read or put in place.
bool IsBackupFile(std::string_view name);

// Of a backup that was begun then: "20260504T220000.000Z". FreeName() may put "-2" behind it.
std::string BackupName(TimeUs time_us);
// Whether a name is such a one: others in the same place are nobody's business here.
bool IsBackupName(std::string_view name);

// The whole ones, newest first: their paths.
Result<std::vector<std::string>> ListBackups(const std::string& into, FileSystem& files);
// Those that are not: interrupted, under way, or carried there in part; newest first.
Result<std::vector<std::string>> ListUnfinishedBackups(const std::string& into, FileSystem& files);
// When the one of that path was begun, as its name says.
TimeUs BackupTime(const std::string& backup);
// Those that are not, removed; and what an interruption left among the ledger's files.
Status RemoveUnfinishedBackups(const std::string& into, FileSystem& files);
// It is no backup any more from the first step on.
Status RemoveBackup(const std::string& backup, FileSystem& files);

// So many bytes at a time: digested, written, synced and told.
inline constexpr uint64_t kBackupPieceBytes = 1 << 20;
inline constexpr uint64_t kBackupSyncBytes = 8 << 20;

// Called with the bytes that were read; an error ends the work.
using OnBytes = std::function<Status(uint64_t)>;
// The SHA-256 of a file, in hex.
Result<std::string> DigestFile(const std::string& path, FileSystem& files, const OnBytes& on_bytes);
// Makes `to` of the first `bytes` of `from`, which has to have so many, and syncs it. Its SHA-256.
// What was made is gone again after an error.
Result<std::string> CopyFile(const std::string& from, uint64_t bytes, const std::string& to,
                             OpenMode mode, FileSystem& files, const OnBytes& on_bytes);

}  // namespace lookback::storage
