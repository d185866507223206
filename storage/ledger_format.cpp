#include "storage/ledger_format.h"

#include <algorithm>

namespace lookback::storage {
namespace {

constexpr std::string_view kLedgerMagic = "LBLEDGER";

void AppendDigest(Bytes& out, size_t start) {
  const uint64_t digest = Xxh3_64(ByteSpan(out).subspan(start));
  ByteWriter(out).U64(digest);
}

void AppendKind(ByteWriter& out, const LedgerRecord& record) {
  out.U8(static_cast<uint8_t>(record.kind));
  out.U8(record.version);
  out.U16(record.flags);
}

void AppendPlace(ByteWriter& out, const LedgerRecord& record) {
  out.U64(record.number);
  out.I64(record.time_us);
}

}  // namespace

Bytes EncodeLedgerHeader(const LedgerHeader& header) {
  Bytes out;
  ByteWriter writer(out);
  writer.Text(kLedgerMagic);
  writer.U32(header.version);
  writer.Raw(header.store.bytes);
  writer.U64(header.first_number);
  AppendDigest(out, 0);
  return out;
}

std::optional<LedgerHeader> ParseLedgerHeader(ByteSpan bytes) {
  ByteReader reader(bytes);
  const std::string_view magic = AsText(reader.Take(kLedgerMagic.size()));
  LedgerHeader header;
  header.version = reader.U32();
  const ByteSpan store = reader.Take(header.store.bytes.size());
  header.first_number = reader.U64();
  const size_t covered = reader.position();
  const uint64_t digest = reader.U64();
  if (!reader.ok() || magic != kLedgerMagic || digest != Xxh3_64(bytes.first(covered))) {
    return std::nullopt;
  }
  std::copy(store.begin(), store.end(), header.store.bytes.begin());
  return header;
}

void AppendLedgerRecord(Bytes& out, const LedgerRecord& record) {
  const size_t start = out.size();
  ByteWriter writer(out);
  writer.U32(static_cast<uint32_t>(record.payload.size()));
  AppendKind(writer, record);
  writer.U32(record.unsynced);
  AppendPlace(writer, record);
  writer.Raw(record.salt);
  writer.Raw(record.payload);
  AppendDigest(out, start);
}

std::optional<LedgerRecord> ParseLedgerRecord(ByteSpan bytes) {
  ByteReader reader(bytes);
  const uint32_t length = reader.U32();
  if (!reader.ok() || length > kMaxLedgerPayload) return std::nullopt;
  LedgerRecord record;
  record.kind = static_cast<index::RecordKind>(reader.U8());
  record.version = reader.U8();
  record.flags = reader.U16();
  record.unsynced = reader.U32();
  record.number = reader.U64();
  record.time_us = reader.I64();
  const ByteSpan salt = reader.Take(record.salt.size());
  record.payload = reader.Take(length);
  const size_t covered = reader.position();
  const uint64_t digest = reader.U64();
  if (!reader.ok() || digest != Xxh3_64(bytes.first(covered))) return std::nullopt;
  std::copy(salt.begin(), salt.end(), record.salt.begin());
  return record;
}

bool ProvesSynced(uint64_t number, ByteSpan bytes) {
  for (size_t at = 0; at + kLedgerRecordOverhead <= bytes.size(); ++at) {
    // The numbers first: hashing what merely looks like a length would take for ever.
    ByteReader reader(bytes.subspan(at));
    const uint32_t length = reader.U32();
    reader.Skip(4);  // Kind, version, flags.
    const uint32_t unsynced = reader.U32();
    const uint64_t found = reader.U64();
    if (length > kMaxLedgerPayload || found <= number || found - number <= unsynced) continue;
    if (ParseLedgerRecord(bytes.subspan(at))) return true;
  }
  return false;
}

Sha256Digest LeafHash(const LedgerRecord& record) {
  Sha256Hasher payload;
  payload.Update(record.salt);
  payload.Update(record.payload);
  Bytes leaf;
  ByteWriter writer(leaf);
  writer.U8(0);
  AppendKind(writer, record);
  AppendPlace(writer, record);
  writer.Raw(payload.Finish());
  return Sha256(leaf);
}

}  // namespace lookback::storage
