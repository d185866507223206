// `lookback fsck` and `lookback rebuild`: the store's own checks, on its directory, without a
// server.

#include <fmt/format.h>

#include "api/check_json.h"
#include "apps/lookback/check_text.h"
#include "apps/lookback/command.h"
#include "apps/lookback/store_place.h"
#include "base/words.h"
#include "storage/check.h"

namespace lookback::app {
namespace {

struct StoreOptionsSaid {
  std::string data;
  bool json = false;
  bool deep = false;
  bool repair = false;
  std::vector<std::string> volumes;
  bool from_files = false;
  bool set_ledger_apart = false;
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

std::string Lines(const std::vector<std::string>& sentences) {
  std::string text;
  for (const std::string& sentence : sentences) text += sentence + "\n";
  return text;
}

Result<storage::FsckReport> Check(const std::string& data, const StoreOptionsSaid& options,
                                  Clock& clock, FileSystem& files) {
  CheckProgressLine line("fsck", clock);
  const auto depth = options.deep ? storage::FsckDepth::kBytes : storage::FsckDepth::kIndexes;
  return storage::Fsck(data, files, [&line](const auto& progress) { line.Show(progress); },
                       {.depth = depth});
}

// Both checks are shown: what was wrong, and what still is.
Result<int> RunRepair(const std::string& data, const StoreOptionsSaid& options, Clock& clock,
                      FileSystem& files) {
  if (const Status may = CheckNotRootsFiles(data); !may) return StoreFailed(may.error(), data);
  auto before = Check(data, options, clock, files);
  if (!before) return StoreFailed(before.error(), data);
  if (!options.json) PrintText(CheckText(api::ToJson(*before)));
  const auto done = [&] {
    CheckProgressLine line("repair", clock);
    return storage::RepairStore(data, clock, files,
                                [&line](const auto& progress) { line.Show(progress); });
  }();
  if (!done) return StoreFailed(done.error(), data);
  auto after = Check(data, options, clock, files);
  if (!after) return StoreFailed(after.error(), data);
  if (options.json) {
    PrintJson({{"before", api::ToJson(*before)}, {"done", *done}, {"after", api::ToJson(*after)}});
  } else {
    PrintText((done->empty() ? "There was nothing to repair.\n" : "Repaired:\n" + Lines(*done)) +
              "And now:\n" + CheckText(api::ToJson(*after)));
    if (!after->clean()) {
      PrintText(
          "What is left is footage that is damaged or gone. Segment files are not mended: what is "
          "good in them is given out, and a copy on another volume is read where there is one.\n");
    }
  }
  return after->clean() ? kExitOk : kExitNegative;
}

Result<int> RunFsck(const StoreOptionsSaid& options, Clock& clock, FileSystem& files) {
  const auto data = StoreOf(options.data, files);
  if (!data) return StoreFailed(data.error(), options.data);
  if (options.repair) return RunRepair(*data, options, clock, files);
  auto report = Check(*data, options, clock, files);
  if (!report) return StoreFailed(report.error(), *data);
  if (options.json) {
    PrintJson(api::ToJson(*report));
  } else {
    PrintText(CheckText(api::ToJson(*report)));
  }
  return report->clean() ? kExitOk : kExitNegative;
}

std::string ToText(const storage::RebuildReport& report) {
  std::string text = Lines(report.notes);
  if (report.snapshot.empty()) {
    text += fmt::format("The catalog is made anew from {}: {}.\n",
                        Count(report.records, "ledger record"), Count(report.segments, "segment"));
  } else {
    text += fmt::format(
        "The catalog is made anew from the snapshot {}, which has the ledger's first {}, and {} "
        "after it: {}.\n",
        report.snapshot, Count(report.snapshot_records, "record"), report.records,
        Count(report.segments, "segment"));
  }
  text += "Nothing is deleted until `lookback retention confirm`.\n";
  if (report.lost_records == 0) return text;
  return text + fmt::format(
                    "{} of the ledger {} damaged, and what {} said is lost: `lookback fsck` "
                    "tells more. Look at holds and policies before you confirm.\n",
                    Count(report.lost_records, "record"), report.lost_records == 1 ? "is" : "are",
                    report.lost_records == 1 ? "it" : "they");
}

// What the files do not say, for whoever has to answer for the footage.
std::string LostText(const storage::FromFilesReport& report) {
  if (report.snapshot.empty()) {
    return "Files do not say, and so it is lost: holds and markers; policies; people and their "
           "rights (the next start makes a new administrator); cameras' addresses and names; why "
           "footage is missing, where it is; what was deleted, by which policy; notes, clock "
           "checks, where imports came from; alarms; who saw and exported what.\nFootage that was "
           "held is not marked as held any more: place holds again before you confirm.\n";
  }
  return fmt::format(
      "People's settings, {}, markers, notes and gaps are those of the snapshot {}, of {}. "
      "Lost is what was changed after that, holds for one, and: alarms; who saw and exported "
      "what.\nLook at holds and policies before you confirm.\n",
      Count(report.holds, "hold"), report.snapshot, FormatSecond(report.snapshot_us));
}

std::string ToText(const storage::FromFilesReport& report) {
  std::string text = Lines(report.notes);
  text += fmt::format("A new ledger and the catalog are made from {}, {}.\n",
                      Count(report.segments, "segment file"), FormatBytes(report.bytes));
  if (report.damaged > 0) {
    text +=
        fmt::format("Damaged of these: {}; what is good of it can be given out.\n", report.damaged);
  }
  if (report.unfinished > 0) {
    text += fmt::format(
        "Besides, {} without a good end: the next start mends that and puts it on record.\n",
        Count(report.unfinished, "file"));
  }
  if (report.copies > 0) {
    text += "There are " + Count(report.copies, "second copy", "second copies") + " of them.\n";
  }
  if (report.left > 0) text += "Left out: " + Count(report.left, "file") + ".\n";
  for (const std::string& path : report.set_apart) text += "Kept under a new name: " + path + "\n";
  if (report.cameras > 0) {
    text += fmt::format(
        "Switched off, since nothing but footage is known: {}; `lookback camera set ID --url URL "
        "--enable` lets one record again.\n",
        Count(report.cameras, "camera"));
  }
  return text + LostText(report) +
         "A file that a policy had deleted, and whose disk had kept it, is on record again.\n"
         "Nothing is deleted until `lookback retention confirm`.\n";
}

Json ToJson(const storage::RebuildReport& report) {
  return {{"records", report.records},
          {"segments", report.segments},
          {"lost_records", report.lost_records},
          {"snapshot", report.snapshot.empty() ? Json() : Json(report.snapshot)},
          {"snapshot_records", report.snapshot_records},
          {"notes", report.notes}};
}

Json ToJson(const storage::FromFilesReport& report) {
  const bool known = !report.snapshot.empty();
  return {{"segments", report.segments},
          {"bytes", report.bytes},
          {"copies", report.copies},
          {"cameras", report.cameras},
          {"damaged", report.damaged},
          {"unfinished", report.unfinished},
          {"left_out", report.left},
          {"snapshot", known ? Json(report.snapshot) : Json()},
          {"snapshot_time", known ? Json(FormatTime(report.snapshot_us)) : Json()},
          {"holds", report.holds},
          {"set_apart", report.set_apart},
          {"notes", report.notes}};
}

template <typename Report>
Result<int> Tell(const Result<Report>& report, const std::string& data, bool json) {
  if (!report) return StoreFailed(report.error(), data);
  if (json) {
    PrintJson(ToJson(*report));
  } else {
    PrintText(ToText(*report));
  }
  return kExitOk;
}

Result<int> RunRebuild(const StoreOptionsSaid& options, Clock& clock, FileSystem& files) {
  const bool named = !options.volumes.empty();  // A store may be made of them.
  const auto data = named ? PlaceForStore(options.data, files) : StoreOf(options.data, files);
  if (!data && named) return Pass(data.error());
  if (!data) return StoreFailed(data.error(), options.data);
  if (const Status may = CheckNotRootsFiles(*data); !may) return StoreFailed(may.error(), *data);
  const auto shown = [&clock](const auto& work) {
    CheckProgressLine line("rebuild", clock);  // Gone before anything is printed.
    return work([&line](const storage::CheckProgress& step) { line.Show(step); });
  };
  if (options.from_files) {
    const storage::FromFilesOptions said{*data, options.volumes, options.set_ledger_apart};
    return Tell(shown([&](const storage::OnProgress& progress) {
                  return storage::RebuildFromFiles(said, clock, files, progress);
                }),
                *data, options.json);
  }
  return Tell(shown([&](const storage::OnProgress& progress) {
                return storage::Rebuild(*data, clock, files, progress, options.volumes);
              }),
              *data, options.json);
}

void AddStoreOptions(CLI::App* command, StoreOptionsSaid& options) {
  command
      ->add_option("--data", options.data,
                   "the store ($XDG_DATA_HOME/lookback or ~/.local/share/lookback)")
      ->check(NamesDirectory());
  command->add_flag("--json", options.json, "one JSON document on standard output");
}

}  // namespace

void AddStoreCommands(Commands& commands) {
  auto options = std::make_shared<StoreOptionsSaid>();
  CLI::App* fsck = commands.Add(
      &commands.app, "fsck",
      "Check that disk, ledger and catalog agree; changes nothing, unless asked to repair.",
      [&commands, options] { return RunFsck(*options, commands.clock, commands.files); });
  AddStoreOptions(fsck, *options);
  fsck->add_flag("--deep", options->deep,
                 "read every byte of every file and compare it with its seal: finds damaged "
                 "pictures, at the speed of the disk");
  fsck->add_flag("--repair", options->repair,
                 "then make good what can be: ledger and copies from one another, the catalog from "
                 "the ledger, files of a crash; no footage is deleted; the store must be stopped");
  CLI::App* rebuild = commands.Add(
      &commands.app, "rebuild",
      "Make the catalog anew, from snapshot and ledger; the store must be stopped.",
      [&commands, options] { return RunRebuild(*options, commands.clock, commands.files); });
  AddStoreOptions(rebuild, *options);
  rebuild
      ->add_option("--volume", options->volumes,
                   "where store.json is lost: the store's volumes, again for each")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  CLI::Option* from_files = rebuild->add_flag(
      "--from-files", options->from_files,
      "without a ledger: read every segment file, and make a new ledger too; holds, policies and "
      "people are lost");
  rebuild
      ->add_flag("--set-ledger-apart", options->set_ledger_apart,
                 "even though there is a ledger: it is kept under another name")
      ->needs(from_files);
}

}  // namespace lookback::app
