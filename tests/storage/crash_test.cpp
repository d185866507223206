// kill -9 of a process that records, at moments that differ from round to round: every fragment
// that was in a file before the kill is there after the next start, once.
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <map>
#include <random>

#include "tests/storage/store_fixture.h"

namespace lookback::storage {
namespace {

using test::kEvening;
using test::MakeStream;

constexpr int kRounds = 10;
constexpr int kCameras = 3;

class CrashTest : public StoreFixture {
 protected:
  // Runs the child until it has told `lines` lines, kills it, and gives how far each camera was.
  std::map<std::string, TimeUs> RecordAndKill(TimeUs start_us, int lines) {
    std::map<std::string, TimeUs> recorded;
    int out[2];
    EXPECT_EQ(pipe(out), 0);
    std::vector<std::string> words = {LOOKBACK_CRASH_CHILD, options_.data, options_.volumes[0],
                                      std::to_string(start_us), std::to_string(kCameras)};
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, out[0]);
    pid_t child = 0;
    EXPECT_EQ(posix_spawn(&child, words[0].c_str(), &actions, nullptr, arguments.data(), environ),
              0);
    posix_spawn_file_actions_destroy(&actions);
    close(out[1]);
    FILE* told = fdopen(out[0], "r");
    char camera[80];
    long long recorded_us = 0;
    long long durable_us = 0;
    int read = 0;
    const auto next = [&] {
      return std::fscanf(told, "%79s %lld %lld", camera, &recorded_us, &durable_us) == 3;
    };
    while (next()) {
      recorded[camera] = recorded_us;
      EXPECT_LE(durable_us, recorded_us);
      if (++read == lines) kill(child, SIGKILL);
    }
    EXPECT_GE(read, lines);
    std::fclose(told);
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    return recorded;
  }
};

TEST_F(CrashTest, KillLosesNothingThatWasInAFile) {
  std::mt19937 random(20260504);
  for (int round = 0; round < kRounds; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    const TimeUs start_us = kEvening + round * kUsPerHour;
    const auto recorded = RecordAndKill(start_us, 20 + static_cast<int>(random() % 1'000));
    ASSERT_OK(Open());
    for (const auto& [camera, until_us] : recorded) {
      SCOPED_TRACE(camera);
      const StreamId stream = MakeStream(camera);
      const TimeRange hour{start_us, start_us + kUsPerHour};
      const auto segments = archive().Segments(stream, hour);
      ASSERT_OK(segments);
      TimeUs covered = start_us;
      uint32_t number = 0;
      for (const FootageSegment& segment : *segments) {
        EXPECT_EQ(segment.row.start_us, covered);
        covered = segment.row.end_us;
        const auto index = archive().Index(segment);
        ASSERT_OK(index);
        for (const SegmentFragment& f : (*index)->fragments) EXPECT_EQ(f.info.number, ++number);
      }
      EXPECT_GE(covered, until_us);
      ExpectHonest(stream);
    }
    Close();
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace lookback::storage
