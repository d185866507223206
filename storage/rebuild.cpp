#include "index/catalog.h"
#include "storage/check.h"
#include "storage/ledger.h"
#include "storage/stopped_store.h"
#include "storage/store_catalog.h"

namespace lookback::storage {
namespace {

// Records applied as one batch: large enough to be quick, small enough to hold in memory.
constexpr size_t kBatchRecords = 10'000;

// Everything from `catalog`'s position on. Tells how many of those records were lost.
Status ApplyRest(Ledger& ledger, index::Catalog& catalog, RebuildReport& report,
                 const OnProgress& progress) {
  std::vector<index::NumberedRecord> batch;
  Status applied = Ok();
  const auto apply = [&] {
    applied = catalog.Apply(batch);
    report.records += batch.size();
    batch.clear();
    if (progress) progress({"records", catalog.position(), ledger.size()});
    return applied.has_value();
  };
  LB_TRY_ASSIGN(lost, ledger.Read(catalog.position(), [&](const index::NumberedRecord& record) {
    batch.push_back(record);
    return batch.size() < kBatchRecords || apply();
  }));
  if (applied && !batch.empty()) apply();
  report.lost_records = lost;
  return applied;
}

Result<std::unique_ptr<Ledger>> OpenLedger(const LedgerPlaces& places, Clock& clock,
                                           FileSystem& files) {
  LB_TRY_ASSIGN(ledger, Ledger::Open(places.ledger, places.store, clock, files));
  if (ledger->size() > 0) return ledger;
  return Fail(Code::kNotFound, "the ledger in " + places.ledger +
                                   " has no records to rebuild the catalog from, and no volume has "
                                   "a copy of it; `lookback rebuild --from-files` reads the "
                                   "segment files instead");
}

// A whole catalog beside the store's, and on the ledger that it was made.
Status MakeCatalog(const StoppedStore& store, Clock& clock, FileSystem& files,
                   RebuildReport& report, const OnProgress& progress) {
  const LedgerPlaces places = store.Ledgers();
  LB_TRY_ASSIGN(restored, RestoreLedger(places, files));
  report.notes.insert(report.notes.end(), restored.notes.begin(), restored.notes.end());
  LB_TRY_ASSIGN(ledger, OpenLedger(places, clock, files));
  LB_TRY_ASSIGN(begun, BeginCatalog(store.data, places.store, *ledger, files));
  report.snapshot = begun.snapshot;
  report.snapshot_records = begun.records;
  report.notes.insert(report.notes.end(), begun.notes.begin(), begun.notes.end());
  LB_TRY_ASSIGN(mended, MendLedger(places, begun.records, files));
  if (mended > 0) {
    report.notes.push_back(std::to_string(mended) +
                           " damaged records of the ledger were mended from its copies");
    ledger.reset();
    LB_TRY_ASSIGN(whole, OpenLedger(places, clock, files));
    ledger = std::move(whole);
  }
  index::Catalog& catalog = *begun.catalog;
  LB_TRY(ApplyRest(*ledger, catalog, report, progress));
  LB_TRY_ASSIGN(totals, catalog.Totals());
  for (const index::StreamTotals& total : totals) report.segments += total.segments;
  const bool in_doubt = report.lost_records > 0 || restored.in_doubt;
  LB_TRY_ASSIGN(numbered, ledger->Append({index::Rebuilt{report.segments, in_doubt}}));
  LB_TRY(ledger->Sync());
  LB_TRY(catalog.Apply(numbered));
  return catalog.Flush();
}

}  // namespace

Result<RebuildReport> Rebuild(const std::string& data, Clock& clock, FileSystem& files,
                              const OnProgress& progress, const std::vector<std::string>& volumes) {
  LB_TRY_ASSIGN(store, OpenStopped(data, volumes, files));
  RebuildReport report;
  report.notes = store.notes;
  // Beside the old one, which stands until the new one is whole.
  LB_TRY(MakeCatalog(store, clock, files, report, progress));
  LB_TRY(InstallCatalog(data, files));
  return report;
}

}  // namespace lookback::storage
