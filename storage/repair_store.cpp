// What `lookback fsck --repair` does, each step with what a start or a rebuild has for it.

#include <fmt/format.h>

#include <algorithm>

#include "storage/check.h"
#include "storage/ledger_copy.h"
#include "storage/stopped_store.h"
#include "storage/store.h"

namespace lookback::storage {
namespace {

void Take(std::vector<std::string>& done, const std::vector<std::string>& more) {
  done.insert(done.end(), more.begin(), more.end());
}

// Every file of the copy is held against the ledger's, and brought to its end.
Status RepairCopy(LedgerCopy& copy) {
  // One that disagrees is set apart, and begins again.
  for (bool again = true; again;) {
    LB_TRY(copy.Round());
    Result<bool> checked = true;
    while (checked.has_value() && *checked) checked = copy.CheckOne();
    again = !checked.has_value() && checked.code() == Code::kConflict;
    if (!checked.has_value() && !again) return Pass(checked.error());
  }
  copy.SyncLeaves();
  return Ok();
}

Status RepairLedgers(const std::string& data, Clock& clock, FileSystem& files,
                     std::vector<std::string>& done) {
  LB_TRY_ASSIGN(store, OpenStopped(data, {}, files));
  Take(done, store.notes);
  const LedgerPlaces places = store.Ledgers();
  LB_TRY_ASSIGN(restored, RestoreLedger(places, files));
  Take(done, restored.notes);
  LB_TRY_ASSIGN(mended, MendLedger(places, 0, files));
  if (mended > 0) {
    done.push_back(
        fmt::format("{} damaged records of the ledger were mended from its copies", mended));
  }
  LB_TRY_ASSIGN(ledger, Ledger::Open(places.ledger, places.store, clock, files));
  std::mutex mending;
  for (const auto& volume : store.volumes) {
    LedgerCopy copy({*volume, *ledger, places.ledger, places.store, places.epoch, mending, files});
    const Status repaired = RepairCopy(copy);
    Take(done, copy.notes());
    if (!repaired) {
      done.push_back("the copy of the ledger on " + volume->root() +
                     " is not whole: " + repaired.message());
    }
  }
  return Ok();
}

bool CatalogIsWrong(const FsckReport& report) {
  return std::any_of(report.findings.begin(), report.findings.end(), [](const Finding& finding) {
    return finding.fault &&
           (finding.kind == FindingKind::kMissingRow || finding.kind == FindingKind::kForeignRow);
  });
}

void TakeCounts(std::vector<std::string>& done, const RecoveryReport& report) {
  const auto tell = [&done](uint64_t count, std::string_view what) {
    if (count > 0) done.push_back(fmt::format("{}: {}", what, count));
  };
  tell(report.recovered_segments, "torn segments, cut at their last whole fragment and sealed");
  tell(report.adopted_segments, "whole segments that were put on record");
  tell(report.quarantined_files, "files set apart, for there is nothing good in them");
  tell(report.missing_segments, "segments put on record as missing");
}

}  // namespace

Result<std::vector<std::string>> RepairStore(const std::string& data, Clock& clock,
                                             FileSystem& files, const OnProgress& progress) {
  std::vector<std::string> done;
  LB_TRY(RepairLedgers(data, clock, files, done));
  LB_TRY_ASSIGN(found, Fsck(data, files, progress));
  if (CatalogIsWrong(found)) {
    LB_TRY_ASSIGN(rebuilt, Rebuild(data, clock, files, progress));
    Take(done, rebuilt.notes);
    done.push_back(
        fmt::format("the catalog was made anew from the ledger: {} segments; nothing is "
                    "deleted until `lookback retention confirm`",
                    rebuilt.segments));
  }
  StoreOptions options;
  options.data = data;
  LB_TRY_ASSIGN(store, Store::Open(options, clock, files));
  store->WaitForRecovery();
  Take(done, store->recovery().notes);
  TakeCounts(done, store->recovery());
  return done;
}

}  // namespace lookback::storage
