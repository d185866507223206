#include "index/catalog.h"
#include "storage/check.h"
#include "storage/ledger.h"
#include "storage/volume_file.h"

namespace lookback::storage {
namespace {

// Records applied as one batch: large enough to be quick, small enough to hold in memory.
constexpr size_t kBatchRecords = 10'000;

// The files of a directory that has no folders in it (RocksDB's), and the directory.
Status RemoveFlat(FileSystem& files, const std::string& path) {
  if (!Exists(files, path)) return Ok();
  LB_TRY_ASSIGN(entries, files.List(path));
  for (const DirEntry& entry : entries) LB_TRY(files.Remove(JoinPath(path, entry.name)));
  return files.Remove(path);
}

Result<RebuildReport> ApplyAll(Ledger& ledger, index::Catalog& catalog, uint64_t first,
                               const OnProgress& progress) {
  RebuildReport report;
  std::vector<index::NumberedRecord> batch;
  Status applied = Ok();
  const auto apply = [&] {
    applied = catalog.Apply(batch);
    report.records += batch.size();
    batch.clear();
    if (progress) progress({"records", report.records, ledger.size()});
    return applied.has_value();
  };
  LB_TRY_ASSIGN(lost, ledger.Read(first, [&](const index::NumberedRecord& record) {
    report.segments += std::holds_alternative<index::Seal>(record.record);
    batch.push_back(record);
    return batch.size() < kBatchRecords || apply();
  }));
  if (applied && !batch.empty()) apply();
  LB_TRY(applied);
  report.lost_records = lost;
  LB_TRY(catalog.Flush());
  return report;
}

}  // namespace

Result<RebuildReport> Rebuild(const std::string& data, Clock& clock, FileSystem& files,
                              const OnProgress& progress) {
  LB_TRY_ASSIGN(store, ReadStoreFile(files, JoinPath(data, "store.json")));
  auto lock = files.Lock(JoinPath(data, "lock"));
  if (!lock) return Pass(lock.error(), "the catalog is rebuilt only while the store is stopped");
  LB_TRY_ASSIGN(ledger, Ledger::Open(JoinPath(data, "ledger"), store.store, clock, files));
  if (ledger->size() == 0) {
    return Fail(Code::kNotFound, "the ledger in " + JoinPath(data, "ledger") +
                                     " has no records to rebuild the catalog from");
  }
  // Beside the old one, which stands until the new one is whole.
  const std::string path = JoinPath(data, "catalog");
  const std::string fresh = path + ".rebuilt", old = path + ".old";
  LB_TRY(RemoveFlat(files, fresh));
  RebuildReport report;
  {
    LB_TRY_ASSIGN(catalog, index::Catalog::Open(fresh, {}));
    LB_TRY_ASSIGN(all, ApplyAll(*ledger, *catalog, 0, progress));
    const index::Rebuilt mark{all.segments, all.lost_records > 0};
    LB_TRY_ASSIGN(numbered, ledger->Append({mark}));
    LB_TRY(ledger->Sync());
    LB_TRY(catalog->Apply(numbered));
    LB_TRY(catalog->Flush());
    report = all;
  }
  LB_TRY(RemoveFlat(files, old));
  if (Exists(files, path)) LB_TRY(files.Rename(path, old));
  LB_TRY(files.Rename(fresh, path));
  LB_TRY(files.SyncDirectory(data));
  LB_TRY(RemoveFlat(files, old));
  return report;
}

}  // namespace lookback::storage
