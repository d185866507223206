#include "storage/ledger_copy_check.h"

#include <fmt/format.h>

#include <algorithm>

#include "storage/ledger.h"
#include "storage/ledger_leaves.h"

namespace lookback::storage {
namespace {

// The first record below `end` that one has and the other has otherwise; `end` when there is none.
// A leaf that is lost says nothing.
Result<uint64_t> FirstDifference(const Ledger& ledger, const Ledger& copy, uint64_t end) {
  for (uint64_t at = 0; at < end; at += kLeavesAtOnce) {
    const uint64_t stop = std::min(at + kLeavesAtOnce, end);
    LB_TRY_ASSIGN(ours, ledger.Leaves(at, stop));
    LB_TRY_ASSIGN(theirs, copy.Leaves(at, stop));
    if (ours == theirs) continue;
    for (uint64_t number = at; number < stop; ++number) {
      const size_t place = static_cast<size_t>(number - at) * kLeafBytes;
      const ByteSpan our = ByteSpan(ours).subspan(place, kLeafBytes);
      const ByteSpan their = ByteSpan(theirs).subspan(place, kLeafBytes);
      if (IsAbsentLeaf(our) || IsAbsentLeaf(their)) continue;
      if (!std::equal(our.begin(), our.end(), their.begin())) return number;
    }
  }
  return end;
}

}  // namespace

Result<LedgerCopyCheck> CheckLedgerCopy(const std::string& ledger, const std::string& copy,
                                        const Uuid& store, FileSystem& files) {
  LedgerCopyCheck check;
  auto theirs = Ledger::OpenReadOnly(copy, files, &store);
  LB_TRY_ASSIGN(ours, Ledger::OpenReadOnly(ledger, files, &store));
  check.lacks = ours->size();
  if (!theirs) {
    if (theirs.code() != Code::kNotFound) check.problem = theirs.message();
    return check;
  }
  const uint64_t end = std::min(ours->size(), (*theirs)->size());
  check.records = end;
  check.lacks = ours->size() - end;
  const auto different = FirstDifference(*ours, **theirs, end);
  if (!different) {
    check.problem = different.message();
  } else if (*different < end) {
    check.problem = fmt::format("its record {} is another than the ledger's", *different);
  } else if ((*theirs)->size() > end) {
    check.problem = fmt::format("it has {} records more than the ledger", (*theirs)->size() - end);
  } else if (const Status whole = (*theirs)->Verify(); !whole) {
    check.problem = whole.message();
  }
  return check;
}

}  // namespace lookback::storage
