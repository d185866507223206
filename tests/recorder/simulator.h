// tests/recorder/simulator.h: camera_sim as a child process, and what its log says it sent.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "base/time.h"

extern char** environ;

namespace lookback::test {

struct SentFrame {
  TimeUs capture_us = 0;
  bool sync = false;
  int sent = 0;
};

// Ends with its standard input, so that it never outlives the test.
class Simulator {
 public:
  Simulator(const std::string& program, std::vector<std::string> arguments, size_t cameras) {
    arguments.insert(arguments.begin(), {program, "--port", "0", "--stop-on-stdin-close", "--count",
                                         std::to_string(cameras)});
    int in[2];
    int out[2];
    EXPECT_EQ(pipe2(in, O_CLOEXEC), 0);
    EXPECT_EQ(pipe2(out, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    EXPECT_EQ(posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    stdin_ = in[1];
    FILE* lines = fdopen(out[0], "r");
    char line[512];
    for (size_t i = 0; i <= cameras && fgets(line, sizeof line, lines); ++i) {
      std::string text = line;
      text.erase(text.find_last_not_of("\r\n") + 1);
      if (i > 0) urls_.push_back(text);
    }
    fclose(lines);
    EXPECT_EQ(urls_.size(), cameras);
  }
  ~Simulator() { Stop(); }
  Simulator(const Simulator&) = delete;
  Simulator& operator=(const Simulator&) = delete;

  const std::vector<std::string>& urls() const { return urls_; }

  void Stop() {
    if (stdin_ < 0) return;
    close(stdin_);
    stdin_ = -1;
    int status = 0;
    waitpid(pid_, &status, 0);
    EXPECT_EQ(status, 0);
  }

  // The frames of one camera by number.
  static std::map<uint64_t, SentFrame> ReadLog(const std::string& path, const std::string& camera) {
    std::map<uint64_t, SentFrame> frames;
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
      if (line.find("{\"camera\":\"" + camera + "\"") != 0) continue;
      unsigned long long number = 0;
      SentFrame frame;
      long long capture = 0;
      const auto at = [&line](const char* name) { return line.c_str() + line.find(name); };
      if (sscanf(at("\"frame\""), "\"frame\":%llu", &number) != 1 ||
          sscanf(at("\"capture_us\""), "\"capture_us\":%lld", &capture) != 1 ||
          sscanf(at("\"sent\""), "\"sent\":%d", &frame.sent) != 1) {
        ADD_FAILURE() << line;
        continue;
      }
      frame.capture_us = capture;
      frame.sync = line.find("\"sync\":true") != std::string::npos;
      frames[number] = frame;
    }
    return frames;
  }

 private:
  pid_t pid_ = -1;
  int stdin_ = -1;
  std::vector<std::string> urls_;
};

}  // namespace lookback::test
