#include "storage/snapshot_format.h"

#include <algorithm>

#include "storage/varint.h"

namespace lookback::storage {
namespace {

constexpr std::string_view kSnapshotMagic = "LBSNAPSH";

tl::unexpected<Error> CorruptSnapshot(std::string_view what) {
  return Fail(Code::kCorrupt, "a snapshot: " + std::string(what));
}

size_t Shared(std::string_view a, std::string_view b) {
  const auto end = std::mismatch(
      a.begin(), a.begin() + static_cast<ptrdiff_t>(std::min(a.size(), b.size())), b.begin());
  return static_cast<size_t>(end.first - a.begin());
}

// Turns `last` into what stands next.
bool TakeText(VarintReader& numbers, ByteSpan bytes, size_t& at, std::string& last) {
  const uint64_t shared = numbers.Unsigned(), rest = numbers.Unsigned();
  at += numbers.position();
  if (!numbers.ok() || shared > last.size() || rest > bytes.size() - at) return false;
  last.resize(static_cast<size_t>(shared));
  last += AsText(bytes.subspan(at, static_cast<size_t>(rest)));
  at += static_cast<size_t>(rest);
  return last.size() <= kMaxSnapshotBlock;
}

}  // namespace

uint64_t SnapshotDigest(uint64_t before, ByteSpan bytes) {
  Bytes first;
  ByteWriter(first).U64(before);
  Xxh64Hasher hasher;
  hasher.Update(first);
  hasher.Update(bytes);
  return hasher.Digest();
}

Bytes EncodeSnapshotHeader(const SnapshotHeader& header) {
  Bytes bytes;
  ByteWriter out(bytes);
  out.Text(kSnapshotMagic);
  out.U32(header.version);
  out.U32(header.catalog_format);
  out.Raw(header.store.bytes);
  out.U64(header.records);
  out.I64(header.time_us);
  out.Raw(header.leaf);
  out.U64(Xxh3_64(bytes));
  static_assert(kSnapshotMagic.size() + 4 + 4 + 16 + 8 + 8 + 32 + kXxh3Bytes ==
                kSnapshotHeaderBytes);
  return bytes;
}

Result<SnapshotHeader> ParseSnapshotHeader(ByteSpan bytes) {
  if (bytes.size() < kSnapshotHeaderBytes) return CorruptSnapshot("it is shorter than its head");
  ByteReader in(bytes.first(kSnapshotHeaderBytes));
  if (AsText(in.Take(kSnapshotMagic.size())) != kSnapshotMagic)
    return CorruptSnapshot("it does not begin as one");
  SnapshotHeader header;
  header.version = in.U32();
  header.catalog_format = in.U32();
  const ByteSpan store = in.Take(header.store.bytes.size());
  std::copy(store.begin(), store.end(), header.store.bytes.begin());
  header.records = in.U64();
  header.time_us = in.I64();
  const ByteSpan leaf = in.Take(header.leaf.size());
  std::copy(leaf.begin(), leaf.end(), header.leaf.begin());
  if (in.U64() != SnapshotHeaderDigest(bytes))
    return CorruptSnapshot("its head's checksum does not agree");
  if (header.version > kSnapshotFormatVersion) {
    return Fail(Code::kUnsupported, "a snapshot has format " + std::to_string(header.version) +
                                        "; this program knows formats up to " +
                                        std::to_string(kSnapshotFormatVersion));
  }
  if (header.time_us < kTimeMinUs || header.time_us > kTimeMaxUs)
    return CorruptSnapshot("its time");
  return header;
}

uint64_t SnapshotHeaderDigest(ByteSpan header) {
  return Xxh3_64(header.first(kSnapshotHeaderBytes - kXxh3Bytes));
}

void SnapshotBlock::Put(std::string& last, std::string_view text) {
  const size_t shared = Shared(last, text);
  VarintWriter numbers(payload_);
  numbers.Unsigned(shared);
  numbers.Unsigned(text.size() - shared);
  ByteWriter(payload_).Text(text.substr(shared));
  last = text;
}

void SnapshotBlock::Add(const index::CatalogRow& row) {
  if (empty()) {
    family_ = row.family;
    ByteWriter out(payload_);
    out.U8(static_cast<uint8_t>(family_.size()));
    out.Text(family_);
    last_key_.clear();
    last_value_.clear();
  }
  Put(last_key_, row.key);
  Put(last_value_, row.value);
}

Bytes SnapshotBlock::Take(uint64_t& digest) {
  Bytes bytes;
  ByteWriter out(bytes);
  out.U32(static_cast<uint32_t>(payload_.size()));
  out.Raw(payload_);
  digest = SnapshotDigest(digest, bytes);
  out.U64(digest);
  payload_.clear();
  return bytes;
}

Bytes EncodeSnapshotEnd(uint64_t rows, uint64_t digest) {
  Bytes bytes;
  ByteWriter out(bytes);
  out.U32(0);
  out.U64(rows);
  out.U64(SnapshotDigest(digest, bytes));
  return bytes;
}

Status ParseSnapshotRows(ByteSpan payload,
                         const std::function<Status(const index::CatalogRow&)>& visit) {
  ByteReader in(payload);
  const std::string_view family = AsText(in.Take(in.U8()));
  if (!in.ok() || family.empty()) return CorruptSnapshot("a block without a family");
  std::string key, value;
  size_t at = in.position();
  while (at < payload.size()) {
    VarintReader key_numbers(payload.subspan(at));
    if (!TakeText(key_numbers, payload, at, key)) return CorruptSnapshot("a row's key");
    VarintReader value_numbers(payload.subspan(at));
    if (!TakeText(value_numbers, payload, at, value)) return CorruptSnapshot("a row's value");
    LB_TRY(visit({family, key, value}));
  }
  return Ok();
}

}  // namespace lookback::storage
