// storage/snapshot_format.h: the bytes of a snapshot of the catalog (docs/format.md).
//
//   file    = header block* end
//   header  = "LBSNAPSH" version:u32 catalog:u32 store:16 records:u64 time_us:u64 leaf:32
//             digest:u64
//   block   = length:u32 payload digest:u64                        `length` is the payload's, not 0
//   end     = 0:u32 rows:u64 digest:u64
//   payload = length:u8 family row*
//   row     = shared:varint rest:varint bytes                      the key, then
//             shared:varint rest:varint bytes                      the value
//
// A key or value has its first `shared` bytes in common with the one before in its block. A digest
// is the XXH3-64 of the digest before it, if there is one, and of all that stands between: no block
// can be absent, doubled or in another's place.
//
// Invariant: what was read was written, in that order; of a whole file, all of it.
// Threads:   values.
// Errors:    kCorrupt says what; kUnsupported: a later format. Parsers are safe on hostile bytes.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "index/catalog_rows.h"

namespace lookback::storage {

inline constexpr uint32_t kSnapshotFormatVersion = 1;
inline constexpr size_t kSnapshotHeaderBytes = 88;
inline constexpr size_t kSnapshotEndBytes = 20;
inline constexpr size_t kSnapshotBlockOverhead = 12;
// A block is ended when it has so many bytes; one row more may stand in it.
inline constexpr size_t kSnapshotBlockBytes = 256 << 10;
inline constexpr size_t kMaxSnapshotBlock = 4 << 20;

struct SnapshotHeader {
  uint32_t version = kSnapshotFormatVersion;
  uint32_t catalog_format = 0;  // Of the rows (index/schema.h).
  Uuid store;
  uint64_t records = 0;  // The ledger's first so many are in it.
  TimeUs time_us = 0;    // When it was begun.
  Sha256Digest leaf{};   // Of the last of them: whether a ledger is the one that it was made of.

  friend bool operator==(const SnapshotHeader&, const SnapshotHeader&) = default;
};
Bytes EncodeSnapshotHeader(const SnapshotHeader& header);
Result<SnapshotHeader> ParseSnapshotHeader(ByteSpan bytes);
// Of an encoded header: the first block's goes on from it.
uint64_t SnapshotHeaderDigest(ByteSpan header);

// Puts rows of one family together.
class SnapshotBlock {
 public:
  bool empty() const { return payload_.empty(); }
  bool full() const { return payload_.size() >= kSnapshotBlockBytes; }
  // Whether the row is of the family that stands in it.
  bool Takes(const index::CatalogRow& row) const { return empty() || row.family == family_; }

  void Add(const index::CatalogRow& row);
  // The block's bytes; it is empty then. `digest` goes from that of what is before to its own.
  Bytes Take(uint64_t& digest);

 private:
  void Put(std::string& last, std::string_view text);

  Bytes payload_;
  std::string family_;
  std::string last_key_, last_value_;
};

Bytes EncodeSnapshotEnd(uint64_t rows, uint64_t digest);

// Of a payload alone; `visit` returns an error to stop.
Status ParseSnapshotRows(ByteSpan payload,
                         const std::function<Status(const index::CatalogRow&)>& visit);

// The digest of a block or end, without its last eight bytes, behind `before`.
uint64_t SnapshotDigest(uint64_t before, ByteSpan bytes);

}  // namespace lookback::storage
