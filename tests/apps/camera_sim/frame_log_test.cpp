#include "apps/camera_sim/frame_log.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

namespace lookback::camera_sim {
namespace {

TEST(FrameLog, KeepsEveryLineWholeWhoeverWrites) {
  constexpr int kThreads = 4;
  constexpr int kLines = 5'000;
  const std::string path = testing::TempDir() + "frame_log_test.jsonl";
  std::filesystem::remove(path);
  auto log = FrameLog::Open(path, nullptr);
  ASSERT_TRUE(log) << log.message();
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&log, t] {
      const std::string camera = "cam" + std::to_string(t);
      for (uint64_t i = 1; i <= kLines; ++i) (*log)->Append({camera, i, 5, true, 9, 1});
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE((*log)->Close());

  std::vector<uint64_t> next(kThreads, 1);
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    ASSERT_EQ(line.substr(0, 14), R"({"camera":"cam)");
    const size_t t = static_cast<size_t>(line[14] - '0');
    ASSERT_EQ(line, R"({"camera":"cam)" + std::to_string(t) + R"(","frame":)" +
                        std::to_string(next[t]) +
                        R"(,"capture_us":5,"sync":true,"bytes":9,"sent":1})");
    ++next[t];
  }
  EXPECT_EQ(next, std::vector<uint64_t>(kThreads, kLines + 1));
  std::filesystem::remove(path);
}

TEST(FrameLog, AFullDiskEndsItLoudly) {
  std::atomic<int> failures = 0;
  auto log = FrameLog::Open("/dev/full", [&failures] { ++failures; });
  ASSERT_TRUE(log) << log.message();
  (*log)->AppendLine("{}");
  const Status closed = (*log)->Close();
  ASSERT_FALSE(closed);
  EXPECT_EQ(closed.code(), Code::kDiskFull);
  EXPECT_EQ(failures, 1);
}

TEST(FrameLog, APathThatCannotBeOpenedIsNamed) {
  const auto log = FrameLog::Open("/no-such-directory/x.jsonl", nullptr);
  ASSERT_FALSE(log);
  EXPECT_NE(log.message().find("/no-such-directory/x.jsonl"), std::string::npos);
}

}  // namespace
}  // namespace lookback::camera_sim
