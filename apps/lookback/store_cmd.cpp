// `lookback fsck` and `lookback rebuild`: the store's own checks, on its directory, without a
// server.

#include <fmt/format.h>

#include "apps/lookback/command.h"
#include "storage/check.h"
#include "storage/data_directory.h"

namespace lookback::app {
namespace {

constexpr int64_t kProgressEveryUs = kUsPerSecond / 10;

struct StoreOptionsSaid {
  std::string data;
  bool json = false;
  bool deep = false;
};

// Shows where a check is, at most so often that printing costs nothing.
class CheckProgressLine {
 public:
  CheckProgressLine(std::string what, Clock& clock) : what_(std::move(what)), clock_(clock) {}

  void Show(const storage::CheckProgress& progress) {
    const int64_t now_us = clock_.MonotonicUs();
    if (now_us - shown_us_ < kProgressEveryUs) return;
    shown_us_ = now_us;
    std::string text = fmt::format("{}: {}, {}", what_, progress.step, progress.done);
    if (progress.total > 0) text += fmt::format(" of {}", progress.total);
    line_.Update(text);
  }

 private:
  const std::string what_;
  Clock& clock_;
  ProgressLine line_;
  int64_t shown_us_ = 0;
};

Result<std::string> DataOf(const StoreOptionsSaid& options, FileSystem& files) {
  std::string data = options.data;
  if (data.empty()) {
    LB_TRY_ASSIGN(usual, DefaultDataDirectory());
    data = usual;
  }
  LB_TRY(files.Stat(data));
  const auto store_file = files.Stat(JoinPath(data, storage::kStoreFile));
  if (!store_file && store_file.code() == Code::kNotFound) {
    return Fail(Code::kInvalid,
                fmt::format("{} is not a store: it has no {}", data, storage::kStoreFile));
  }
  if (!store_file) return Pass(store_file.error());
  return data;
}

// kInvalid is the directory's fault here, not the command line's.
Result<int> CheckFailed(const Error& error) {
  Complain(error.message);
  return error.code == Code::kInvalid ? int{kExitOtherStore} : ExitCodeOf(error);
}

Json ToJson(const storage::Finding& finding) {
  const bool ranged = !finding.range.empty();
  return {{"kind", storage::FindingKindName(finding.kind)},
          {"fault", finding.fault},
          {"path", finding.path},
          {"camera", finding.camera},
          {"start", ranged ? Json(FormatTime(finding.range.start_us)) : Json()},
          {"end", ranged ? Json(FormatTime(finding.range.end_us)) : Json()},
          {"sentence", finding.sentence}};
}

std::string ToText(const storage::FsckReport& report) {
  Table table({"KIND", "WHAT"});
  size_t faults = 0;
  for (const storage::Finding& finding : report.findings) {
    faults += finding.fault ? 1 : 0;
    std::string what = finding.sentence;
    // A sentence may name the file already; scripts and people look for its path in any case.
    if (what.find(finding.path) == std::string::npos) what += " (" + finding.path + ")";
    table.Add(
        {std::string(storage::FindingKindName(finding.kind)) + (finding.fault ? "" : " (no fault)"),
         what});
  }
  return (table.empty() ? "" : table.Text()) +
         fmt::format("{} segments and {} ledger records checked: {}\n", report.segments,
                     report.ledger_records,
                     faults == 0 ? "disk, ledger and catalog agree"
                                 : fmt::format("{} fault{}", faults, faults == 1 ? "" : "s"));
}

Result<int> RunFsck(const StoreOptionsSaid& options, Clock& clock, FileSystem& files) {
  const auto data = DataOf(options, files);
  if (!data) return CheckFailed(data.error());
  Result<storage::FsckReport> report = [&] {
    CheckProgressLine line("fsck", clock);
    const auto depth = options.deep ? storage::FsckDepth::kBytes : storage::FsckDepth::kIndexes;
    return storage::Fsck(
        *data, files, [&line](const auto& progress) { line.Show(progress); }, depth);
  }();
  if (!report) return CheckFailed(report.error());
  if (options.json) {
    Json findings = Json::array();
    for (const storage::Finding& finding : report->findings) findings.push_back(ToJson(finding));
    PrintJson({{"clean", report->clean()},
               {"segments", report->segments},
               {"ledger_records", report->ledger_records},
               {"findings", std::move(findings)}});
  } else {
    PrintText(ToText(*report));
  }
  return report->clean() ? kExitOk : kExitNegative;
}

Result<int> RunRebuild(const StoreOptionsSaid& options, Clock& clock, FileSystem& files) {
  const auto data = DataOf(options, files);
  if (!data) return CheckFailed(data.error());
  Result<storage::RebuildReport> report = [&] {
    CheckProgressLine line("rebuild", clock);
    return storage::Rebuild(*data, clock, files,
                            [&line](const auto& progress) { line.Show(progress); });
  }();
  if (!report) return CheckFailed(report.error());
  if (options.json) {
    PrintJson({{"records", report->records},
               {"segments", report->segments},
               {"lost_records", report->lost_records}});
  } else {
    PrintText(
        fmt::format("The catalog is made anew from {} ledger records: {} segments.\nNothing "
                    "is deleted until `lookback retention confirm`.\n",
                    report->records, report->segments));
    if (report->lost_records > 0) {
      PrintText(
          fmt::format("{} records of the ledger are damaged, and what they said is lost: "
                      "`lookback fsck` names them. Look at holds and policies before you "
                      "confirm.\n",
                      report->lost_records));
    }
  }
  return kExitOk;
}

void AddStoreOptions(CLI::App* command, StoreOptionsSaid& options) {
  command->add_option("--data", options.data,
                      "the store ($XDG_DATA_HOME/lookback or ~/.local/share/lookback)");
  command->add_flag("--json", options.json, "one JSON document on standard output");
}

}  // namespace

void AddStoreCommands(Commands& commands) {
  auto options = std::make_shared<StoreOptionsSaid>();
  CLI::App* fsck = commands.Add(
      &commands.app, "fsck", "Check that disk, ledger and catalog agree; changes nothing.",
      [&commands, options] { return RunFsck(*options, commands.clock, commands.files); });
  AddStoreOptions(fsck, *options);
  fsck->add_flag("--deep", options->deep,
                 "read every byte of every file and compare it with its seal: finds damaged "
                 "pictures, at the speed of the disk");
  AddStoreOptions(
      commands.Add(
          &commands.app, "rebuild",
          "Make the catalog anew from ledger and files; the store must be stopped.",
          [&commands, options] { return RunRebuild(*options, commands.clock, commands.files); }),
      *options);
}

}  // namespace lookback::app
