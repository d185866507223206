#include "bench/measured.h"

#include <dirent.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <ctime>
#include <fstream>

#include "base/result.h"

namespace lookback::bench {
namespace {

constexpr int kExitOnSignalOfFfmpeg = 255;  // What ffmpeg says when it was ended in order.

std::string ProcOf(pid_t pid) { return "/proc/" + std::to_string(pid); }

}  // namespace

void Measured::Fork(const std::function<void(int stop)>& work) {
  int ends[2];
  LB_CHECK(pipe(ends) == 0);
  const pid_t pid = fork();
  LB_CHECK(pid >= 0);
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(ends[1]);
    work(ends[0]);
    _exit(0);
  }
  close(ends[0]);
  children_.push_back({pid, ends[1]});
}

void Measured::Exec(const std::vector<std::string>& command) {
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const pid_t pid = fork();
  LB_CHECK(pid >= 0);
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execvp(arguments[0], arguments.data());
    _exit(127);
  }
  children_.push_back({pid, -1});
}

bool Measured::Stop() {
  for (const Child& child : children_) {
    if (child.stop < 0) {
      kill(child.pid, SIGINT);
    } else {
      close(child.stop);  // The reader sees the end.
    }
  }
  bool good = true;
  for (const Child& child : children_) {
    int status = 0;
    LB_CHECK(waitpid(child.pid, &status, 0) == child.pid);
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    good = good && (code == 0 || (child.stop < 0 && code == kExitOnSignalOfFfmpeg));
  }
  children_.clear();
  return good;
}

double Measured::CpuSeconds() const {
  double seconds = 0;
  for (const Child& child : children_) {
    clockid_t clock = 0;
    timespec time{};
    LB_CHECK(clock_getcpuclockid(child.pid, &clock) == 0 && clock_gettime(clock, &time) == 0);
    seconds += static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
  }
  return seconds;
}

double Measured::ResidentMib() const {
  double mib = 0;
  for (const Child& child : children_) {
    std::ifstream status(ProcOf(child.pid) + "/status");
    for (std::string line; std::getline(status, line);) {
      if (line.rfind("VmRSS:", 0) == 0) mib += std::stod(line.substr(6)) / 1024;
    }
  }
  return mib;
}

std::map<std::string, double> Measured::ThreadCpuSeconds() const {
  std::map<std::string, double> seconds;
  for (const Child& child : children_) {
    const std::string tasks = ProcOf(child.pid) + "/task";
    DIR* const directory = opendir(tasks.c_str());
    if (!directory) continue;
    while (const dirent* entry = readdir(directory)) {
      if (entry->d_name[0] == '.') continue;
      const std::string task = tasks + "/" + entry->d_name;
      std::string name;
      double nanoseconds = 0;
      std::getline(std::ifstream(task + "/comm") >> std::ws, name);
      std::ifstream(task + "/schedstat") >> nanoseconds;
      seconds[name + ":" + entry->d_name] = nanoseconds / 1e9;
    }
    closedir(directory);
  }
  return seconds;
}

}  // namespace lookback::bench
