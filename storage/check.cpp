#include "storage/check.h"

#include <algorithm>

namespace lookback::storage {

std::string_view FindingKindName(FindingKind kind) {
  switch (kind) {
    case FindingKind::kTruncatedFile:
      return "truncated-file";
    case FindingKind::kDamagedFile:
      return "damaged-file";
    case FindingKind::kMissingFile:
      return "missing-file";
    case FindingKind::kStrayFile:
      return "stray-file";
    case FindingKind::kUnsealedFile:
      return "unsealed-file";
    case FindingKind::kMissingRow:
      return "missing-row";
    case FindingKind::kForeignRow:
      return "foreign-row";
    case FindingKind::kLedgerDamage:
      return "ledger-damage";
    case FindingKind::kLedgerCopyDamage:
      return "ledger-copy-damage";
    case FindingKind::kLedgerCopyBehind:
      return "ledger-copy-behind";
    case FindingKind::kVolumeOffline:
      return "volume-offline";
    case FindingKind::kReappearedFile:
      return "reappeared-file";
  }
  return "unknown";
}

bool FsckReport::clean() const {
  return std::none_of(findings.begin(), findings.end(),
                      [](const Finding& finding) { return finding.fault; });
}

}  // namespace lookback::storage
