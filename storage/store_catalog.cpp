#include "storage/store_catalog.h"

#include "base/log.h"
#include "storage/snapshot.h"

namespace lookback::storage {
namespace {

std::string CatalogPath(const std::string& data) { return JoinPath(data, kCatalogFolder); }
std::string FreshPath(const std::string& data) { return CatalogPath(data) + ".rebuilt"; }

void Tell(std::string note, RecoveryReport& report) {
  LogError("store", note);
  report.notes.push_back(std::move(note));
}

Status MoveAside(const CatalogPlace& place, const std::string& why, FileSystem& files,
                 RecoveryReport& report) {
  const std::string path = CatalogPath(place.data);
  std::string note = "the catalog is rebuilt from the ledger: " + why;
  if (Exists(files, path)) {
    const std::string aside = FreeName(files, path + ".bad-" + std::to_string(place.epoch));
    LB_TRY(files.Rename(path, aside));
    LB_TRY(files.SyncDirectory(place.data));
    note += "; the old one is " + aside;
  }
  Tell(std::move(note), report);
  return Ok();
}

// The journal brings it to the ledger's end.
Status MakeAnew(const CatalogPlace& place, const Ledger& ledger, FileSystem& files,
                RecoveryReport& report) {
  report.catalog_rebuilt = true;
  LB_TRY_ASSIGN(begun, BeginCatalog(place.data, place.store, ledger, files));
  report.notes.insert(report.notes.end(), begun.notes.begin(), begun.notes.end());
  if (!begun.snapshot.empty()) {
    report.notes.push_back("the catalog is made from the snapshot " + begun.snapshot +
                           " and the ledger from record " + std::to_string(begun.records) + " on");
    LogInfo("store", report.notes.back());
  }
  begun.catalog.reset();
  return InstallCatalog(place.data, files);
}

// Why a catalog that could be opened is none of the ledger; empty when it is.
std::string Contradiction(const index::Catalog& catalog, const CatalogPlace& place,
                          const Ledger& ledger) {
  if (!place.follows) return "it was made from the ledger that was set apart";
  if (catalog.position() <= ledger.size()) return {};
  return "it has " + std::to_string(catalog.position()) + " records, the ledger " +
         std::to_string(ledger.size());
}

}  // namespace

Status RemoveFlat(FileSystem& files, const std::string& path) {
  if (!Exists(files, path)) return Ok();
  LB_TRY_ASSIGN(entries, files.List(path));
  for (const DirEntry& entry : entries) LB_TRY(files.Remove(JoinPath(path, entry.name)));
  return files.Remove(path);
}

Result<CatalogBegun> BeginCatalog(const std::string& data, const Uuid& store, const Ledger& ledger,
                                  FileSystem& files) {
  CatalogBegun begun;
  const auto list = ListSnapshots(JoinPath(data, kSnapshotFolder), files);
  if (!list) begun.notes.push_back("the snapshots cannot be listed: " + list.message());
  for (const SnapshotFile& file : list ? *list : std::vector<SnapshotFile>()) {
    LB_TRY_ASSIGN(catalog, BeginEmptyCatalog(data, files));
    const Status loaded = LoadSnapshot(file.path, store, ledger, *catalog, files);
    if (loaded) {
      begun.records = catalog->position();
      begun.catalog = std::move(catalog);
      begun.snapshot = file.path;
      return begun;
    }
    begun.notes.push_back("the snapshot " + file.path + " is not used: " + loaded.error().message);
    LogError("store", begun.notes.back());
  }
  LB_TRY_ASSIGN(catalog, BeginEmptyCatalog(data, files));
  begun.catalog = std::move(catalog);
  return begun;
}

Result<std::unique_ptr<index::Catalog>> BeginEmptyCatalog(const std::string& data,
                                                          FileSystem& files) {
  const std::string path = FreshPath(data);
  LB_TRY(RemoveFlat(files, path));
  return index::Catalog::Open(path, {});
}

Status InstallCatalog(const std::string& data, FileSystem& files) {
  const std::string path = CatalogPath(data), old = path + ".old";
  LB_TRY(RemoveFlat(files, old));
  if (Exists(files, path)) LB_TRY(files.Rename(path, old));
  LB_TRY(files.Rename(FreshPath(data), path));
  LB_TRY(files.SyncDirectory(data));
  return RemoveFlat(files, old);
}

Result<std::unique_ptr<index::Catalog>> OpenCatalog(const CatalogPlace& place, const Ledger& ledger,
                                                    FileSystem& files, RecoveryReport& report) {
  const std::string path = CatalogPath(place.data);
  auto catalog = index::Catalog::Open(path, {});
  if (!catalog && catalog.code() != Code::kCorrupt) return Pass(catalog.error());
  const std::string bad = catalog ? Contradiction(**catalog, place, ledger) : catalog.message();
  const bool absent =
      bad.empty() && (*catalog)->position() == 0 && ledger.size() > 0 && (*catalog)->Writable();
  if (!bad.empty() || absent) {
    if (catalog) catalog->reset();
    if (absent) Tell("the catalog was absent, and is rebuilt from the ledger", report);
    if (!absent) LB_TRY(MoveAside(place, bad, files, report));
    LB_TRY(MakeAnew(place, ledger, files, report));
    catalog = index::Catalog::Open(path, {});
    if (!catalog) return Pass(catalog.error());
  }
  if (const Status writable = (*catalog)->Writable(); !writable) {
    Tell("the catalog can only be read: " + writable.error().message, report);
  }
  return std::move(*catalog);
}

}  // namespace lookback::storage
