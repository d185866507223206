// tests/support/crash_states.h: the disks that a power cut may leave at any step of a trace.
//
// A cut after `cut` changes leaves
//   Applied:   all of them (a kill, or a lucky cut);
//   Synced:    those that a sync has covered, and no other;
//   Sampled:   those, and of the others a seeded part. Each write or truncation is there or not,
//              or torn at a border of 512 or 4,096 bytes, in any order but its file's own. Of names
//              (made, renamed, removed) a beginning is there: with NameOrder::kJournal of all names
//              of the file system, as ext4 and XFS journal them; with kDirectory of each directory
//              by itself, which POSIX allows.
// A write that is not there leaves zeros where a later one lies behind it.
//
// Threads:   any number may read.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/disk_trace.h"

namespace lookback::test {

enum class NameOrder : uint8_t { kJournal, kDirectory };

class CrashStates {
 public:
  // Both must outlive this.
  CrashStates(const DiskState& base, const std::vector<DiskChange>& changes)
      : base_(base), changes_(changes) {}

  DiskState Applied(size_t cut) const;
  DiskState Synced(size_t cut) const;
  // `told` gets a line for each change that no sync had covered: what became of it.
  DiskState Sampled(size_t cut, NameOrder order, uint64_t seed, std::string* told = nullptr) const;

 private:
  std::vector<bool> CoveredBySync(size_t cut) const;

  const DiskState& base_;
  const std::vector<DiskChange>& changes_;
};

}  // namespace lookback::test
