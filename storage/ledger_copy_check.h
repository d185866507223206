// storage/ledger_copy_check.h: holds a copy of the ledger against the ledger, record by record.
//
// Invariant: changes nothing. Beside a running store the copy is read first, so that what
//            it has the ledger has.
// Threads:   the caller's; reads all of both.
// Errors:    those of the ledger. What ails the copy is the answer.
#pragma once

#include <cstdint>
#include <string>

#include "base/file_system.h"
#include "base/ids.h"

namespace lookback::storage {

struct LedgerCopyCheck {
  uint64_t records = 0;  // Of the ledger's, from the first on.
  uint64_t lacks = 0;    // Records behind those.
  std::string problem;   // A damaged record, one that the ledger has not or has otherwise; or "".
};
// `ledger`, `copy`: their directories; that of the copy may be absent.
Result<LedgerCopyCheck> CheckLedgerCopy(const std::string& ledger, const std::string& copy,
                                        const Uuid& store, FileSystem& files);

}  // namespace lookback::storage
