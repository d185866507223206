// tests/support/await.h: waits for what another thread brings about and tells nobody of. Real time
// only bounds a test that fails.
#pragma once

#include <chrono>
#include <thread>

namespace lookback::test {

template <typename Condition>
[[nodiscard]] bool Await(Condition condition) {
  constexpr auto kAtMost = std::chrono::seconds(60);
  const auto give_up = std::chrono::steady_clock::now() + kAtMost;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > give_up) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace lookback::test
