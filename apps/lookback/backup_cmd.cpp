// `lookback backup` and `lookback restore`: what of a store cannot be made anew, kept elsewhere and
// put back, on its directory, without a server.

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "apps/lookback/command.h"
#include "apps/lookback/store_place.h"
#include "base/version.h"
#include "base/words.h"
#include "base/worker_pool.h"
#include "storage/backup.h"
#include "storage/backup_restore.h"
#include "storage/data_directory.h"

namespace lookback::app {
namespace {

constexpr int64_t kProgressAfterUs = kUsPerSecond;

struct BackupSaid {
  std::string place;
  std::string data;
  size_t keep = 0;
  std::vector<std::string> volumes;
  bool json = false;
};

// Of what takes longer than a second.
class BytesLine {
 public:
  BytesLine(std::string what, Clock& clock)
      : what_(std::move(what)), clock_(clock), next_us_(clock.MonotonicUs() + kProgressAfterUs) {}

  void Show(const storage::CheckProgress& progress) {
    const int64_t now_us = clock_.MonotonicUs();
    if (now_us < next_us_) return;
    next_us_ = now_us + kProgressEveryUs;
    std::string text = fmt::format("{}: {}, {}", what_, progress.step, FormatBytes(progress.done));
    if (progress.total > 0) text += " of " + FormatBytes(progress.total);
    line_.Update(text);
  }

 private:
  const std::string what_;
  Clock& clock_;
  ProgressLine line_;
  int64_t next_us_;
};

// Shown when nothing else is being shown, and then part of the answer.
class Warnings {
 public:
  storage::OnWarning Take() {
    return [this](const std::string& said) {
      if (std::find(said_.begin(), said_.end(), said) == said_.end()) said_.push_back(said);
    };
  }
  void Show() const {
    for (const std::string& said : said_) Complain("warning: " + said);
  }
  const std::vector<std::string>& said() const { return said_; }

 private:
  std::vector<std::string> said_;
};

std::string RootText(const storage::BackupInfo& info) {
  return info.root ? HexEncode(*info.root) : std::string();
}

Json ToJson(const storage::BackupInfo& info) {
  const std::string root = RootText(info);
  return {{"store", info.store.text()},
          {"time", FormatTime(info.taken_us)},
          {"program", info.program},
          {"data", info.data},
          {"tree_size", info.records},
          {"root_hash", root.empty() ? Json() : Json(root)},
          {"snapshot", info.snapshot.empty() ? Json() : Json(info.snapshot)}};
}

std::string NotesText(const std::vector<std::string>& notes) {
  std::string text;
  for (const std::string& note : notes) text += Printable(note) + "\n";
  return text;
}

Json ToJson(const storage::BackupReport& report, const std::vector<std::string>& warnings) {
  Json json = ToJson(report.info);
  Json volumes = Json::array();
  for (const auto& volume : report.info.volumes) {
    volumes.push_back({{"root", Printable(volume.root)}, {"id", volume.id.text()}});
  }
  json.update({{"path", report.path},
               {"files", report.files},
               {"bytes", report.bytes},
               {"copied_bytes", report.copied_bytes},
               {"removed", report.removed},
               {"volumes", std::move(volumes)},
               {"notes", report.info.notes},
               {"warnings", warnings}});
  return json;
}

std::string ToText(const storage::BackupReport& report) {
  std::string text = NotesText(report.info.notes);
  text += fmt::format("{}: {} and {} of the ledger, {}, {} of it new.\n", Printable(report.path),
                      Count(report.files, "file"), Count(report.info.records, "record"),
                      FormatBytes(report.bytes), FormatBytes(report.copied_bytes));
  for (const std::string& removed : report.removed) text += Printable(removed) + " is removed.\n";
  return text + "It holds the passwords of cameras: keep it as you keep those.\n";
}

// What root writes into a data directory belongs to whom that was given.
std::function<Status(const std::string&)> GiverOf(const std::string& data) {
  struct stat owner {};
  if (geteuid() != 0 || stat(data.c_str(), &owner) != 0 || owner.st_uid == 0) return {};
  return [owner](const std::string& path) -> Status {
    if (lchown(path.c_str(), owner.st_uid, owner.st_gid) == 0) return Ok();
    return tl::unexpected<Error>(SystemError(errno, "chown", path));
  };
}

// For `lookback doctor`. Who may only read the store has a backup all the same.
void Note(const std::string& data, const storage::BackupReport& report, FileSystem& files,
          const storage::OnWarning& warn) {
  const auto note = storage::NoteLastBackup(data, report.path, report.info.taken_us, files);
  const auto give = GiverOf(data);
  const Status given = !note ? Pass(note.error()) : give ? give(*note) : Ok();
  if (!given) warn("`lookback doctor` will not know of this backup: " + given.message());
}

Result<int> RunBackup(const BackupSaid& said, Clock& clock, FileSystem& files) {
  const auto data = StoreOf(said.data, files);
  if (!data) return StoreFailed(data.error(), said.data);
  LowerThisThread();
  Warnings warnings;
  const auto report = [&] {
    BytesLine line("backup", clock);  // Gone before anything is printed.
    return storage::MakeBackup(
        {*data, said.place, std::string(Version()), said.keep, warnings.Take()}, clock, files,
        [&line](const auto& progress) { line.Show(progress); });
  }();
  if (report) Note(*data, *report, files, warnings.Take());
  warnings.Show();
  if (!report) {
    const int code = StoreFailed(report.error(), *data);
    const bool no_place = report.code() == Code::kNotFound && !Exists(files, said.place);
    return no_place ? int{kExitUsage} : code;
  }
  if (said.json) {
    PrintJson(ToJson(*report, warnings.said()));
  } else {
    PrintText(ToText(*report));
  }
  return kExitOk;
}

Json ToJson(const storage::RestoreReport& report, const std::string& data,
            const std::vector<std::string>& warnings) {
  Json json = ToJson(report.info);
  Json volumes = Json::array();
  for (const auto& volume : report.volumes) {
    volumes.push_back(
        {{"root", Printable(volume.root)}, {"id", volume.id.text()}, {"there", volume.there}});
  }
  json.update({{"backup", report.backup},
               {"restored", data},
               {"files", report.files},
               {"bytes", report.bytes},
               {"volumes", std::move(volumes)},
               {"ledger_left_out", report.ledger_left_out},
               {"notes", report.notes},
               {"warnings", warnings}});
  return json;
}

std::string ToText(const storage::RestoreReport& report, const std::string& data) {
  std::string text = NotesText(report.notes);
  text += fmt::format("{} is the store of {} again, as of {}.\n", Printable(data),
                      Printable(report.backup), FormatSecond(report.info.taken_us));
  for (const auto& volume : report.volumes) {
    text += volume.there ? fmt::format("Volume {} is there.\n", Printable(volume.root))
                         : fmt::format(
                               "Volume {} ({}) is not there: mount it before the start, or "
                               "name its place with `serve --volume`.\n",
                               Printable(volume.root), volume.id.text());
  }
  return text +
         "Next: start the server, which takes from the volumes what came after the backup; look at "
         "holds and policies; `lookback retention confirm`. Nothing is deleted before.\n";
}

Result<int> RunRestore(const BackupSaid& said, Clock& clock, FileSystem& files) {
  LB_TRY_ASSIGN(named, PlaceForStore(said.data, files));
  const std::string data = storage::AbsolutePath(named);
  Warnings warnings;
  const auto report = [&] {
    BytesLine line("restore", clock);
    return storage::RestoreBackup({said.place, data, said.volumes, GiverOf(data), warnings.Take()},
                                  files, [&line](const auto& progress) { line.Show(progress); });
  }();
  warnings.Show();
  if (!report) return StoreFailed(report.error(), data);
  if (said.json) {
    PrintJson(ToJson(*report, data, warnings.said()));
  } else {
    PrintText(ToText(*report, data));
  }
  return kExitOk;
}

}  // namespace

void AddBackupCommands(Commands& commands) {
  auto said = std::make_shared<BackupSaid>();
  CLI::App* backup = commands.Add(
      &commands.app, "backup",
      "Copy what of a store cannot be made anew: ledger, secrets, store.json; while it records.",
      [&commands, said] { return RunBackup(*said, commands.clock, commands.files); });
  backup
      ->add_option("dir", said->place,
                   "where backups are kept, a directory that is there, on another disk")
      ->required();
  backup
      ->add_option("--data", said->data,
                   "the store ($XDG_DATA_HOME/lookback or ~/.local/share/lookback)")
      ->check(NamesDirectory());
  backup
      ->add_option("--keep", said->keep, "remove older backups: so many stay, with this one (all)")
      ->check(CLI::Range(1, 100'000));
  backup->add_flag("--json", said->json, "one JSON document on standard output");
  CLI::App* restore = commands.Add(
      &commands.app, "restore", "Put a backup in the place of a data directory that was lost.",
      [&commands, said] { return RunRestore(*said, commands.clock, commands.files); });
  restore->add_option("dir", said->place, "a backup, or where several are: the newest")->required();
  restore
      ->add_option("--data", said->data,
                   "the data directory to be made ($XDG_DATA_HOME/lookback or "
                   "~/.local/share/lookback; root has to name it)")
      ->check(NamesDirectory());
  restore->add_option("--volume", said->volumes, "where a volume is mounted now, again for each")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  restore->add_flag("--json", said->json, "one JSON document on standard output");
}

}  // namespace lookback::app
