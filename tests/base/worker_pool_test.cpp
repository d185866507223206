#include "base/worker_pool.h"

#include <sys/resource.h>

#include <atomic>
#include <future>

#include "gtest/gtest.h"

namespace lookback {
namespace {

int Niceness() { return ::getpriority(PRIO_PROCESS, 0); }

TEST(WorkerPoolTest, ItsThreadsGiveWayToTheOthers) {
  const int mine = Niceness();
  WorkerPool pool("test", 1, 4);
  std::promise<int> theirs;
  ASSERT_TRUE(pool.Post([&theirs] { theirs.set_value(Niceness()); }));
  EXPECT_GT(theirs.get_future().get(), mine);
  EXPECT_EQ(Niceness(), mine);
}

TEST(WorkerPoolTest, StopAwaitsWhatWasPosted) {
  WorkerPool pool("test", 2, 64);
  std::atomic<int> done{0};
  for (int i = 0; i < 32; ++i) {
    ASSERT_TRUE(pool.Post([&done] { ++done; }));
  }
  pool.Stop();
  EXPECT_EQ(done, 32);
  EXPECT_FALSE(pool.Post([&done] { ++done; }));
}

}  // namespace
}  // namespace lookback
