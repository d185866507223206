// A ledger record as a disk may return it: what is accepted can be put on record again.
#include "base/result.h"
#include "storage/ledger_format.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lookback;
  const ByteSpan bytes(data, size);
  (void)storage::ParseLedgerHeader(bytes);
  (void)storage::ParseLedgerRecord(bytes);
  if (size == 0) return 0;
  // Past the digest, which a fuzzer cannot guess: a kind, and a payload.
  const auto record =
      index::DecodeRecord(static_cast<index::RecordKind>(data[0]), bytes.subspan(1));
  if (record) LB_CHECK(index::CheckRecord(*record).has_value());
  return 0;
}
