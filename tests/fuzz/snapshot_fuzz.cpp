// A snapshot of the catalog as a disk may return it: its head, with its digest made right so that
// the fields behind it are reached, and the rows of a block. What is taken for a row of a catalog
// is written again and read as the same.

#include "storage/snapshot_format.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lookback;
  const ByteSpan bytes(data, size);
  (void)storage::ParseSnapshotHeader(bytes);
  if (size >= storage::kSnapshotHeaderBytes) {
    Bytes head(bytes.begin(), bytes.begin() + storage::kSnapshotHeaderBytes - sizeof(uint64_t));
    ByteWriter(head).U64(Xxh3_64(head));
    const auto header = storage::ParseSnapshotHeader(head);
    LB_CHECK(!header || storage::EncodeSnapshotHeader(*header) == head);
  }

  storage::SnapshotBlock block;
  std::vector<std::pair<std::string, std::string>> rows;
  const Status parsed =
      storage::ParseSnapshotRows(bytes, [&](const index::CatalogRow& row) -> Status {
        LB_TRY(index::CheckRow(row));
        (void)index::RecordOfRow(row);
        rows.emplace_back(row.key, row.value);
        block.Add(row);
        return Ok();
      });
  if (!parsed || rows.empty()) return 0;
  uint64_t digest = 0;
  const Bytes again = block.Take(digest);
  const ByteSpan payload =
      ByteSpan(again).subspan(sizeof(uint32_t), again.size() - storage::kSnapshotBlockOverhead);
  size_t next = 0;
  const Status same =
      storage::ParseSnapshotRows(payload, [&](const index::CatalogRow& row) -> Status {
        LB_CHECK(next < rows.size() && row.key == rows[next].first &&
                 row.value == rows[next].second);
        ++next;
        return Ok();
      });
  LB_CHECK(same && next == rows.size());
  return 0;
}
