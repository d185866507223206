#include "base/memory.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <thread>
#include <vector>

namespace lookback {
namespace {

size_t ResidentKib() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    size_t kib = 0;
    if (word == "VmRSS:" && status >> kib) return kib;
  }
  return 0;
}

// Blocks too small to be mappings of their own, in a thread's arena, with one kept above them all
// so that the arena cannot shrink from its end.
TEST(MemoryTest, APeakOfAnotherThreadIsGivenBack) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the allocator is the sanitizer's";
#endif
  constexpr size_t kBlock = 64 << 10, kBlocks = 1'000;
  std::string last;
  const size_t before = ResidentKib();
  size_t peak = 0;
  std::thread([&] {
    std::vector<std::string> blocks(kBlocks);
    for (std::string& block : blocks) block.assign(kBlock, 'x');
    last.assign(kBlock, 'x');
    peak = ResidentKib();
  }).join();
  ASSERT_GT(peak, before + (kBlocks * kBlock >> 10) / 2);
  GiveBackFreeMemory();
  EXPECT_LT(ResidentKib(), before + (peak - before) / 4);
}

}  // namespace
}  // namespace lookback
