// LKEN, LKFR and LKSG, with the digests made right so that the fields behind them are reached. A
// table that is taken is written again and read as the same.

#include <algorithm>

#include "storage/segment_format.h"

namespace {

// Overwrites `box` with a right size, and a right digest `tail` bytes before its end.
void MendDigest(lookback::Bytes& box, size_t tail) {
  lookback::Bytes tail_bytes;
  lookback::ByteWriter out(tail_bytes);
  out.U32(static_cast<uint32_t>(box.size()));
  std::copy(tail_bytes.begin(), tail_bytes.end(), box.begin());
  tail_bytes.clear();
  out.U64(lookback::Xxh3_64(lookback::ByteSpan(box).first(box.size() - tail)));
  out.U64(box.size());
  std::copy_n(tail_bytes.begin(), tail, box.end() - static_cast<ptrdiff_t>(tail));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lookback::storage;
  (void)SegmentEndLength({data, size});
  if (size < 64) return 0;
  lookback::Bytes box(data, data + size);
  MendDigest(box, 8);
  (void)ParseSegmentHeader(box);
  (void)ParseFragmentTrailer(box);
  MendDigest(box, 16);
  const auto end = ParseSegmentEnd(box);
  if (!end) return 0;
  SegmentIndex index;
  index.fragments = end->fragments;
  index.recovered = end->recovered;
  const auto again = ParseSegmentEnd(EncodeSegmentEnd(index, end->preceding));
  LB_CHECK(again && again->fragments == end->fragments && again->preceding == end->preceding);
  return 0;
}
