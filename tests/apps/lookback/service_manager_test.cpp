#include "apps/lookback/service_manager.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

#include "tests/support/temp_dir.h"

namespace lookback::app {
namespace {

using Environment = ServiceManager::Environment;

// What stands where systemd does. A name that begins with '@' has no file.
class Listener {
 public:
  explicit Listener(const std::string& name) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name[0] == '@') address.sun_path[0] = '\0';
    const auto bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    EXPECT_EQ(bind(fd_, reinterpret_cast<const sockaddr*>(&address), bytes), 0);
  }
  ~Listener() { close(fd_); }

  // The next message that has arrived; "" where there is none.
  std::string Next() {
    std::array<char, 256> text{};
    const ssize_t bytes = recv(fd_, text.data(), text.size(), MSG_DONTWAIT);
    return bytes < 0 ? "" : std::string(text.data(), static_cast<size_t>(bytes));
  }

 private:
  const int fd_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
};

TEST(ServiceManagerTest, SaysWhatSystemdWaitsForToASocketWithAFileOrWithout) {
  const test::TempDir dir;
  for (const std::string& name :
       {dir.Path("notify"), "@lookback-test-" + std::to_string(getpid())}) {
    Listener systemd(name);
    const auto manager = ServiceManager::Open({name, "30000000", std::to_string(getpid())});
    ASSERT_TRUE(manager.has_value()) << manager.message();
    manager->Ready();
    manager->Alive();
    manager->Stopping();
    EXPECT_EQ(systemd.Next(), "READY=1");
    EXPECT_EQ(systemd.Next(), "WATCHDOG=1");
    EXPECT_EQ(systemd.Next(), "STOPPING=1");
    EXPECT_EQ(systemd.Next(), "");
    EXPECT_LE(manager->alive_every_us(), 15'000'000) << "what sd_watchdog_enabled(3) advises";
  }
}

TEST(ServiceManagerTest, SaysNothingThatNobodyAskedFor) {
  const test::TempDir dir;
  Listener systemd(dir.Path("notify"));
  // No watchdog, or that of another process.
  for (const Environment& environment : {Environment{dir.Path("notify"), "", ""},
                                         Environment{dir.Path("notify"), "30000000", "1"}}) {
    const auto manager = ServiceManager::Open(environment);
    ASSERT_TRUE(manager.has_value()) << manager.message();
    manager->Alive();
    EXPECT_EQ(systemd.Next(), "");
  }
  const auto alone = ServiceManager::Open({});
  ASSERT_TRUE(alone.has_value());
  alone->Ready();
  EXPECT_EQ(systemd.Next(), "");
}

TEST(ServiceManagerTest, GoesOnWhenSystemdCannotBeTold) {
  const auto manager = ServiceManager::Open({"/nonexistent/notify", "30000000", ""});
  ASSERT_TRUE(manager.has_value()) << manager.message();
  manager->Ready();
  manager->Stopping();
}

TEST(ServiceManagerTest, RefusesWhatIsNoSocketAndNoTime) {
  const std::string long_path = "/" + std::string(sizeof(sockaddr_un::sun_path), 'x');
  for (const Environment& environment :
       {Environment{"notify", "", ""}, Environment{long_path, "", ""},
        Environment{"/run/notify", "soon", ""}, Environment{"/run/notify", "0", ""},
        Environment{"/run/notify", "30000000", "me"}}) {
    const auto manager = ServiceManager::Open(environment);
    ASSERT_FALSE(manager.has_value());
    EXPECT_EQ(manager.error().code, Code::kInvalid);
  }
}

TEST(HeartbeatTest, BeatsOnlyWhenEveryThreadThatWasAskedHasAnswered) {
  std::vector<std::function<void()>> threads;
  Heartbeat heartbeat([&threads](const std::function<void()>& task) {
    threads.assign(2, task);
    return threads.size();
  });
  EXPECT_FALSE(heartbeat.Beat()) << "nobody can have answered yet";
  EXPECT_FALSE(heartbeat.Beat());
  threads[0]();
  EXPECT_FALSE(heartbeat.Beat()) << "the other one hangs";
  const auto late = threads[1];
  threads[1]();
  EXPECT_TRUE(heartbeat.Beat());
  EXPECT_FALSE(heartbeat.Beat()) << "an answer counts once";
  late();
  late();
  EXPECT_FALSE(heartbeat.Beat()) << "nor does one to an earlier question";
  for (const auto& thread : threads) thread();
  EXPECT_TRUE(heartbeat.Beat());
}

}  // namespace
}  // namespace lookback::app
