// storage/recorded_footage.h: what ledger and catalog say of the segments and copies of
// some cameras, for fsck.
//
// Threads:   one.
// Errors:    none.
#pragma once

#include <map>
#include <utility>

#include "index/catalog.h"

namespace lookback::storage {

enum class Standing : uint8_t { kSealed, kDeleted, kMissing };

// What ledger and catalog say of one segment. Small, since a store has millions.
struct RecordedSegment {
  TimeUs end_us = 0;
  uint64_t bytes = 0;
  TimeUs row_end_us = 0;  // By the catalog.
  uint64_t row_bytes = 0;
  Uuid volume;
  Sha256Digest sha256{};  // Of the seal.
  Standing standing = Standing::kSealed;
  bool thinned = false;
  bool row_thinned = false;  // By the catalog.
  bool on_ledger = false;
  bool in_catalog = false;
  bool file_seen = false;
  uint64_t number = 0;  // Of the ledger record that gave the standing.
};

// A segment's second file, on that volume.
using CopyKey = std::pair<index::SegmentKey, Uuid>;
struct RecordedCopy {
  bool on_ledger = false;
  bool in_catalog = false;
  bool file_seen = false;
  uint64_t number = 0;  // Of the ledger record that spoke of it last.
};

// One of so many shares of all cameras.
struct CameraShare {
  uint64_t number = 0;
  uint64_t of = 1;

  bool Has(const CameraId& camera) const;
};

struct RecordedFootage {
  CameraShare share = {};  // Of other cameras nothing is kept.
  std::map<index::SegmentKey, RecordedSegment> entries;
  std::map<CopyKey, RecordedCopy> copies;

  // By the ledger, in its order.
  void Apply(const index::NumberedRecord& numbered);

 private:
  bool IsWanted(const index::Record& record) const;
  void ApplyThin(const index::Thin& thin, uint64_t number);
  void ApplyCopy(const index::Copy& copy, uint64_t number);
  void LoseCopies(const index::SegmentKey& key, const Uuid* volume, uint64_t number);
  void SetStanding(const index::SegmentKey& key, Standing standing, uint64_t number);
};

}  // namespace lookback::storage
