// The scrubber's state as a disk may return it, with its digest made right so that the fields
// behind it are reached. What is taken is written again and read as the same.

#include "base/checksum.h"
#include "storage/scrub_state.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lookback;
  const ByteSpan bytes(data, size);
  (void)storage::ParseScrubState(bytes);
  Bytes file;
  ByteWriter out(file);
  out.U64(Xxh3_64(bytes));
  out.Raw(bytes);
  const auto state = storage::ParseScrubState(file);
  if (!state) return 0;
  const auto again = storage::ParseScrubState(storage::EncodeScrubState(*state));
  LB_CHECK(again && *again == *state);
  return 0;
}
