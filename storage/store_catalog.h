// storage/store_catalog.h: the catalog of a store: opened, or made anew where it cannot be used.
//
// Invariant: a catalog takes the place of another only when it is whole. What cannot be used
//            is renamed, never removed.
// Threads:   the caller's, with the store locked.
// Errors:    of index/catalog.h and base/file_system.h. A snapshot that cannot be used is no
//            error: it is told in `notes`.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "storage/store.h"

namespace lookback::storage {

inline constexpr std::string_view kCatalogFolder = "catalog";  // Below the data directory.

// What a catalog was begun from.
struct CatalogBegun {
  std::unique_ptr<index::Catalog> catalog;  // Not in its place yet.
  uint64_t records = 0;                     // Of the ledger that are in it; 0: it is empty.
  std::string snapshot;                     // Where it has them from; empty: none was used.
  std::vector<std::string> notes;  // Why newer snapshots, or all, were not: one sentence each.
};
// A new catalog beside the store's in `data`, with what the newest good snapshot for `ledger` has.
Result<CatalogBegun> BeginCatalog(const std::string& data, const Uuid& store, const Ledger& ledger,
                                  FileSystem& files);
// One that is empty, whatever snapshots there are.
Result<std::unique_ptr<index::Catalog>> BeginEmptyCatalog(const std::string& data,
                                                          FileSystem& files);
// Puts it, once it is closed, in the place of the store's, which is gone then.
Status InstallCatalog(const std::string& data, FileSystem& files);

// The files of a directory that has no folders in it, and the directory.
Status RemoveFlat(FileSystem& files, const std::string& path);

struct CatalogPlace {
  std::string data;
  Uuid store;
  uint32_t epoch = 0;   // For the name of what is moved aside.
  bool follows = true;  // Whether a catalog that is there can be one of the ledger.
};
// The store's. One that is absent, corrupt, or not of `ledger` is begun anew; `report` tells.
Result<std::unique_ptr<index::Catalog>> OpenCatalog(const CatalogPlace& place, const Ledger& ledger,
                                                    FileSystem& files, RecoveryReport& report);

}  // namespace lookback::storage
