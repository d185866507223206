// storage/ledger_copies.h: keeps a copy of the ledger on every volume, behind the journal's back.
//
// A copy follows within kCopyIntervalUs, or at once where a hold waits for it. After a failure it
// is tried again, kCopyRetryUs apart and more.
//
// Volumes may come and go meanwhile: one that was offline has a copy from when it returns.
//
// Invariant: the journal never waits for a copy.
// Threads:   one a volume, so that a slow one delays no other; what stands here on any.
// Errors:    what ails a copy is in its state and in the log.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "storage/ledger.h"
#include "storage/volume.h"

namespace lookback::storage {

inline constexpr int64_t kCopyIntervalUs = kUsPerSecond;
inline constexpr int64_t kCopyRetryUs = 2 * kUsPerSecond;  // Doubles while it fails, up to:
inline constexpr int64_t kMaxCopyRetryUs = 30 * kUsPerSecond;
inline constexpr int64_t kCopyLeaveWaitUs = 5 * kUsPerSecond;
// A copy that lags so long behind is told of.
inline constexpr int64_t kMaxCopyLagUs = 10 * kUsPerSecond;

struct LedgerCopyState {
  Uuid volume;
  std::string root;
  std::string directory;
  bool offline = false;
  uint64_t records = 0;            // Of the ledger's, from the first on.
  int64_t lag_us = 0;              // Since it last had all of them; 0: it has.
  std::string trouble;             // Why it cannot follow; empty: it does.
  bool set_apart = false;          // An earlier copy disagreed, since the start.
  std::vector<std::string> notes;  // What was mended, made anew, set apart.
};

// "offline", "failing", "behind" (by more than kMaxCopyLagUs) or "current".
std::string_view LedgerCopyStateName(const LedgerCopyState& copy);

class LedgerCopies {
 public:
  struct Parts {
    Ledger& ledger;
    std::string ledger_directory;
    Uuid store;
    uint32_t epoch = 0;
    std::vector<Volume*> volumes;
    Clock& clock;
    FileSystem& files;
  };
  // All in `parts` must outlive it.
  static std::unique_ptr<LedgerCopies> Start(const Parts& parts);
  virtual ~LedgerCopies() = default;  // Brings each to the end once more, and stops.

  // Begins to keep a copy on a volume that was added or returned. What stands there is followed on,
  // or set apart where it disagrees.
  virtual void Follow(Volume& volume) = 0;
  // Ends that of a volume that was removed: its files are closed once this returns, or when a call
  // to its disk comes back, if that takes longer than kCopyLeaveWaitUs.
  virtual void Leave(Volume& volume) = 0;

  virtual std::vector<LedgerCopyState> States() const = 0;
  // Waits, at most `wait_us`, until the volume's copy has the first `records` records.
  virtual bool AwaitOn(const Uuid& volume, uint64_t records, int64_t wait_us) = 0;
  // The same of any one copy; also true where there is no volume that is not offline.
  virtual bool AwaitAny(uint64_t records, int64_t wait_us) = 0;
};

}  // namespace lookback::storage
