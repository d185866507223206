#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/bounded_queue.h"
#include "base/gate.h"
#include "base/worker_pool.h"

namespace lookback {
namespace {

TEST(BoundedQueue, RefusesAtItsLimitsAndLeavesTheItemAlone) {
  BoundedQueue<std::string> queue(2, 100);
  std::string a = "a", b = "b", c = "c";
  EXPECT_TRUE(queue.TryPush(a, 150));  // One alone is always taken.
  EXPECT_FALSE(queue.TryPush(b, 1));   // By weight.
  EXPECT_EQ(b, "b");
  EXPECT_EQ(*queue.Pop(), "a");
  EXPECT_TRUE(queue.TryPush(b, 1));
  EXPECT_TRUE(queue.TryPush(c, 1));
  EXPECT_FALSE(queue.TryPush(c, 1));  // By count.
  EXPECT_EQ(queue.weight(), 2u);
}

TEST(BoundedQueue, DrainsAfterCloseAndThenEnds) {
  BoundedQueue<int> queue(10, 10);
  int one = 1;
  EXPECT_TRUE(queue.TryPush(one));
  queue.Close();
  EXPECT_FALSE(queue.TryPush(one));
  EXPECT_EQ(queue.PopAll(), std::vector<int>{1});
  EXPECT_TRUE(queue.PopAll().empty());
  EXPECT_FALSE(queue.Pop());
}

TEST(BoundedQueue, EveryItemComesOutOnceAcrossThreads) {
  BoundedQueue<int> queue(16, 1'000'000);
  std::atomic<int64_t> sum = 0;
  std::thread reader([&] {
    while (auto item = queue.Pop()) sum += *item;
  });
  std::vector<std::thread> writers;
  for (int w = 0; w < 3; ++w) {
    writers.emplace_back([&] {
      for (int i = 1; i <= 1'000; ++i) {
        int item = i;
        while (!queue.TryPush(item)) std::this_thread::yield();
      }
    });
  }
  for (auto& writer : writers) writer.join();
  queue.Close();
  reader.join();
  EXPECT_EQ(sum, 3 * 500'500);
}

TEST(WorkerPool, StopAwaitsWhatWasPosted) {
  std::atomic<int> done = 0;
  WorkerPool pool("test", 2, 100);
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(pool.Post([&] { ++done; }));
  pool.Stop();
  EXPECT_EQ(done, 50);
  EXPECT_FALSE(pool.Post([&] { ++done; }));
}

TEST(Gate, CloseAwaitsThoseInsideAndKeepsOthersOut) {
  Gate gate;
  std::atomic<bool> left = false;
  auto visit = gate.Enter();
  ASSERT_TRUE(visit);
  std::thread leaver([&left, inside = std::move(visit)]() mutable {
    left = true;
    inside.reset();
  });
  gate.Close();
  EXPECT_TRUE(left);
  EXPECT_FALSE(gate.Enter());
  leaver.join();
}

}  // namespace
}  // namespace lookback
