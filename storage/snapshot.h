// storage/snapshot.h: the catalog as it stood, in one file beside the ledger, so that a rebuild
// reads that and the records after it, and not years of ledger.
//
//   <data>/snapshots/<ledger records that are in it, 16 hex digits>.lks
//
// Invariant: a file appears under its name only when it is whole and synced.
//            The last kSnapshotsKept stay. One is used only where its store and the leaf of its
//            last record are the ledger's, and every byte of it agrees with its digests: else the
//            one before, else the ledger alone. It can be lost: it spares time, and says nothing
//            that the ledger does not.
// Threads:   the caller's.
// Errors:    of the disk. kUnavailable: it was stopped. kDiskFull: too little room would be left.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "index/catalog.h"
#include "storage/ledger.h"
#include "storage/snapshot_format.h"

namespace lookback::storage {

inline constexpr std::string_view kSnapshotFolder = "snapshots";  // Below the data directory.
inline constexpr size_t kSnapshotsKept = 2;
// It is synced so many bytes at a time, so that the ledger's own sync never waits for all of it;
// and is given up where less than that share of the disk would stay free for ledger and catalog.
inline constexpr uint64_t kSnapshotSyncBytes = 8 << 20;
inline constexpr double kSnapshotFreeShare = 0.05;

struct SnapshotFile {
  std::string path;
  uint64_t records = 0;  // By its name.
};
// Newest first; none where there is no directory.
Result<std::vector<SnapshotFile>> ListSnapshots(const std::string& directory, FileSystem& files);

struct Snapshot {
  std::string path;
  SnapshotHeader header;
  uint64_t rows = 0;
  uint64_t bytes = 0;
};
// Writes the catalog as it stands now, and removes what is more than kSnapshotsKept. `go_on`
// (may be empty) stops it.
Result<Snapshot> WriteSnapshot(const std::string& directory, const Uuid& store,
                               const index::Catalog& catalog, const Ledger& ledger, TimeUs now_us,
                               FileSystem& files, const std::function<bool()>& go_on = {});

Result<SnapshotHeader> ReadSnapshotHeader(const std::string& path, FileSystem& files);
// Every row, while `visit` returns Ok. Behind an error, what was visited before counts for nothing.
Result<Snapshot> ReadSnapshot(const std::string& path, FileSystem& files,
                              const std::function<Status(const index::CatalogRow&)>& visit);

// Puts the rows of one into an empty catalog, which then stands at its position: kConflict where it
// is not of `ledger`. After an error the catalog is to be thrown away.
Status LoadSnapshot(const std::string& path, const Uuid& store, const Ledger& ledger,
                    index::Catalog& catalog, FileSystem& files);

}  // namespace lookback::storage
