// storage/backup_place.h: the directory that backups stand in: whether it is a place for them, and
// what the backups there name of the ledger's files that they share.
//
// Invariant: nothing is made or changed here.
// Threads:   values.
// Errors:    kNotFound: there is no such place. kInvalid: no backup belongs there.
//            Those of the disk.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "storage/backup_files.h"
#include "storage/volume_file.h"

namespace lookback::storage {

// A sentence that a person has to read, though the work goes on.
using OnWarning = std::function<void(const std::string&)>;

// Whether `into` may have the backups of that store. Warns where one disk has both.
Status CheckPlace(const std::string& into, const std::string& data, const StoreFile& store,
                  FileSystem& files, const OnWarning& warn);
// Files of two stores in one place would pass for each other's.
Status CheckNoOther(const std::string& into, const Uuid& store, FileSystem& files);

// What manifests say of shared files. One that rots, harms every backup that names it.
class SharedNames {
 public:
  // A manifest that cannot be read is told.
  Status Read(const std::string& into, FileSystem& files, const OnWarning& warn);

  // Whether a backup names the file with that digest.
  bool Has(const std::string& name, const std::string& digest) const;
  // Tells which backups are not what they were, of a file that was found with one digest ("": it
  // was gone) and has the other from now on.
  void Tell(const std::string& name, const std::string& path, const std::string& found,
            const std::string& now, const OnWarning& warn) const;

 private:
  std::map<std::string, BackupManifest> backups_;  // By their names.
};

}  // namespace lookback::storage
