// The server's look at its machine: what hangs with a disk keeps no stop waiting.
#include "api/doctor_watch.h"

#include <gmock/gmock.h>

#include <chrono>
#include <condition_variable>

#include "api/context.h"
#include "tests/api/service_fixture.h"
#include "tests/doctor/fake_machine.h"

namespace lookback::api {
namespace {

// Where threads of a test meet.
class Gate {
 public:
  void Open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    opened_.notify_all();
  }
  bool Await() {
    std::unique_lock lock(mutex_);
    return opened_.wait_for(lock, std::chrono::seconds(60), [this] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable opened_;
  bool open_ = false;
};

struct Gates {
  Gate hangs;   // A call waits.
  Gate answer;  // It may return.
  Gate gone;    // The machine is no more.
};

// Its disks answer when the test lets them.
class HangingMachine final : public doctor::test::FakeMachine {
 public:
  explicit HangingMachine(std::shared_ptr<Gates> gates) : gates_(std::move(gates)) {}
  ~HangingMachine() override { gates_->gone.Open(); }
  Result<doctor::Node> Look(const std::string& path) override {
    gates_->hangs.Open();
    gates_->answer.Await();
    return FakeMachine::Look(path);
  }

 private:
  const std::shared_ptr<Gates> gates_;
};

class DoctorWatchTest : public ServiceTest {
 protected:
  std::unique_ptr<Context> MakeContext() {
    auto tokens = Tokens::Open(store_->data(), files_, false);
    auto secrets = CameraSecrets::Open(store_->data(), files_);
    EXPECT_TRUE(tokens && secrets);
    return std::make_unique<Context>(Service::Parts{*store_, recorder_, clock_, files_},
                                     std::move(*tokens), std::move(*secrets));
  }
};

TEST_F(DoctorWatchTest, AStopDoesNotWaitForALookThatHangsWithItsDisk) {
  const auto gates = std::make_shared<Gates>();
  auto context = MakeContext();
  auto watch = std::make_unique<DoctorWatch>(*context, std::make_shared<HangingMachine>(gates));
  watch->StartThread();
  ASSERT_TRUE(gates->hangs.Await());
  const auto began = std::chrono::steady_clock::now();
  watch->Stop();
  EXPECT_LT(std::chrono::steady_clock::now() - began,
            std::chrono::microseconds(DoctorWatch::kStopWaitUs) + std::chrono::seconds(10));
  // What it comes back to is its own.
  watch.reset();
  context.reset();
  gates->answer.Open();
  EXPECT_TRUE(gates->gone.Await());
}

TEST_F(DoctorWatchTest, ALookThatEndsIsWhatIsAnswered) {
  auto context = MakeContext();
  DoctorWatch watch(*context, std::make_shared<doctor::test::FakeMachine>());
  EXPECT_EQ(watch.Last().at_us, 0);
  watch.StartThread();
  EXPECT_EQ(watch.Fresh().at_us, clock_.NowUs());
  watch.Stop();
  EXPECT_EQ(watch.Last().at_us, clock_.NowUs());
}

}  // namespace
}  // namespace lookback::api
