// storage/stopped_store.h: a store that does not run, taken for a rebuild: its identity, and those
// of its volumes that are there.
//
// Invariant: while this exists no other process has the store. Nothing is changed by opening it,
//            but that a store.json that was lost is written anew from the volumes that were named.
// Threads:   one.
// Errors:    kUnavailable: it runs. kInvalid: no store, or volumes of several.
//            Of base/file_system.h.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "storage/ledger_restore.h"
#include "storage/local_volume.h"
#include "storage/volume_file.h"

namespace lookback::storage {

struct StoppedStore {
  std::string data;
  std::unique_ptr<FileLock> lock;
  StoreFile file;
  std::vector<std::unique_ptr<LocalVolume>> volumes;
  std::vector<std::string> notes;  // Volumes that are not there; a store.json that was lost.

  std::string ledger() const { return JoinPath(data, "ledger"); }
  // Of all ledgers that there are. What is set apart is named for the epoch that follows.
  LedgerPlaces Ledgers() const;
};

// `volumes`: where store.json is lost, those of the store; else they have to be known to it.
Result<StoppedStore> OpenStopped(const std::string& data, const std::vector<std::string>& volumes,
                                 FileSystem& files);

}  // namespace lookback::storage
