#include "apps/lookback/export_view.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "apps/lookback/output.h"

extern char** environ;

namespace lookback::app {
namespace {

constexpr size_t kMaxSaidBytes = 4'096;
constexpr const char* kLabel =
    "VIEW ONLY: encoded anew from the recording, to be looked at; no evidence";

struct Ended {
  int code = 0;
  std::string said;  // The beginning of what it said.
};

// Runs ffmpeg to its end; it reads nothing and writes only to the files that it is told.
Result<Ended> RunFfmpeg(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"ffmpeg", "-nostdin", "-hide_banner", "-v", "error"});
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    return Fail(Code::kUnavailable, fmt::format("no pipe to ffmpeg: {}", std::strerror(errno)));
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
  pid_t pid = 0;
  const int failed = ::posix_spawnp(&pid, "ffmpeg", &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  if (failed != 0) {
    ::close(ends[0]);
    return Fail(Code::kUnsupported,
                fmt::format("--view needs the ffmpeg program, and it does not start ({}); install "
                            "the package ffmpeg, or leave --view out",
                            std::strerror(failed)));
  }
  view_process = pid;
  Ended ended;
  char piece[512];
  while (true) {
    const ssize_t count = ::read(ends[0], piece, sizeof piece);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    if (ended.said.size() < kMaxSaidBytes) ended.said.append(piece, static_cast<size_t>(count));
  }
  ::close(ends[0]);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  view_process = 0;
  ended.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return ended;
}

}  // namespace

volatile std::sig_atomic_t view_process = 0;

Status CheckViewProgram() {
  LB_TRY_ASSIGN(ended, RunFfmpeg({"-encoders"}));
  if (ended.code == 0) {
    // The list is longer than what is kept of it, so the encoder itself is asked.
    LB_TRY_ASSIGN(help, RunFfmpeg({"-h", "encoder=libx264"}));
    if (help.code == 0 && help.said.find("is not recognized") == std::string::npos) return Ok();
  }
  return Fail(Code::kUnsupported,
              "--view needs an ffmpeg program with libx264, and this one has none; install the "
              "package ffmpeg, or leave --view out");
}

Status MakeView(FileSystem& files, const std::string& from, const std::string& to) {
  const std::string part = to + ".part";
  // An ffmpeg that outlived an earlier try goes on in a file that has no name any more.
  (void)files.Remove(part);
  LB_TRY_ASSIGN(ended, RunFfmpeg({"-y",
                                  "-i",
                                  "file:" + from,
                                  "-map",
                                  "0:v:0",
                                  "-map",
                                  "0:a:0?",
                                  "-c:v",
                                  "libx264",
                                  "-preset",
                                  "veryfast",
                                  "-crf",
                                  "20",
                                  "-pix_fmt",
                                  "yuv420p",
                                  "-c:a",
                                  "aac",
                                  "-movflags",
                                  "+faststart",
                                  "-metadata",
                                  fmt::format("title={}", kLabel),
                                  "-metadata",
                                  fmt::format("comment={}", kLabel),
                                  "-f",
                                  "mp4",
                                  "file:" + part}));
  if (ended.code != 0) {
    (void)files.Remove(part);
    return Fail(Code::kDiskFailed, fmt::format("ffmpeg makes no view of {}: {}", from,
                                               Printable(ended.said.substr(0, 400))));
  }
  {
    LB_TRY_ASSIGN(file, files.Open(part, OpenMode::kReadWrite));
    LB_TRY(file->Sync());
  }
  return files.Rename(part, to);
}

}  // namespace lookback::app
