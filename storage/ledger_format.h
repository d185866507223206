// storage/ledger_format.h: the bytes of a ledger file (docs/format.md).
//
//   file   = header record*
//   header = "LBLEDGER" version:u32 store:16 first_number:u64 digest:u64                  44 bytes
//   record = length:u32 kind:u8 version:u8 flags:u16 unsynced:u32 number:u64 time_us:u64 salt:16
//            payload digest:u64                                                      52 + length
//
// `length` is the payload's; each digest is the XXH3-64 of everything before it in the header or
// record. leaf = SHA-256(00 || kind version flags number time_us SHA-256(salt || payload)), RFC
// 6962 §2.1: the hash tree stays whole when a payload rots or is erased by law.
//
// Invariant: a record whose digest is right was written whole.
// Threads:   values.
// Errors:    parsers return nothing for what is not a whole record. Safe on hostile bytes.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/ids.h"
#include "base/time.h"
#include "index/records.h"

namespace lookback::storage {

inline constexpr uint32_t kLedgerFormatVersion = 1;
inline constexpr uint32_t kMaxLedgerPayload = 1 << 20;  // A larger record is refused.
inline constexpr size_t kLedgerHeaderBytes = 44;
inline constexpr size_t kLedgerRecordOverhead = 52;
inline constexpr size_t kLedgerPayloadOffset = 44;

struct LedgerHeader {
  uint32_t version = kLedgerFormatVersion;
  Uuid store;
  uint64_t first_number = 0;
};
Bytes EncodeLedgerHeader(const LedgerHeader& header);
std::optional<LedgerHeader> ParseLedgerHeader(ByteSpan bytes);

struct LedgerRecord {
  index::RecordKind kind{};
  uint8_t version = 1;
  uint16_t flags = 0;
  uint32_t unsynced = 0;  // So many records before it were not synced yet when it was written.
  uint64_t number = 0;
  TimeUs time_us = 0;
  std::array<uint8_t, 16> salt{};
  ByteSpan payload;

  size_t bytes() const { return kLedgerRecordOverhead + payload.size(); }
};
void AppendLedgerRecord(Bytes& out, const LedgerRecord& record);
// The record at the front of `bytes`, its payload in place.
std::optional<LedgerRecord> ParseLedgerRecord(ByteSpan bytes);

// Whether `bytes`, which follow the damaged record `number`, hold a whole record that was written
// when `number` had been synced. A power cut may take any part of what was not synced, so good
// records behind prove nothing by themselves.
bool ProvesSynced(uint64_t number, ByteSpan bytes);

Sha256Digest LeafHash(const LedgerRecord& record);

}  // namespace lookback::storage
