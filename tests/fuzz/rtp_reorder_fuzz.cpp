// What comes to a UDP port, in any order and at any time: nothing crashes, what is held stays
// within its bounds, and packets of one source come out with rising numbers, each once.
#include "base/bytes.h"
#include "recorder/rtp.h"
#include "recorder/rtp_reorder.h"

using namespace lookback;
using namespace lookback::recorder;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  size_t taken = 0;
  size_t given = 0;
  RtpReorder order([&](ByteSpan packet, int64_t) {
    LB_CHECK(ParseRtp(packet).has_value());
    ++given;
  });
  ByteReader input({data, size});
  int64_t now_us = 0;
  while (input.ok() && input.remaining() > 0) {
    now_us += int64_t{input.U8()} * 1'000;
    const uint8_t choice = input.U8();
    if ((choice & 0x80) != 0) order.Release(now_us);
    // Mostly well-formed heads, so that the numbers matter; else the input as it is.
    Bytes packet;
    ByteWriter out(packet);
    if ((choice & 0x40) == 0) {
      out.U16(0x8060);
      out.U16(input.U16());
      out.U32(0);
      out.U32(choice & 1);
      out.Zeros(size_t{choice} * 64);
    } else {
      out.Raw(input.Take(std::min<size_t>(input.remaining(), choice & 0x3f)));
    }
    order.Push(packet, now_us);
    ++taken;
    LB_CHECK(order.held() <= RtpReorder::kMaxPackets);
  }
  order.Flush();
  LB_CHECK(order.held() == 0);
  LB_CHECK(given <= taken);
  return 0;
}
