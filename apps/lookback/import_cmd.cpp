// `lookback import`: footage from files, uploaded to the server in parts and
// followed until it is kept.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "apps/lookback/command.h"
#include "base/words.h"

namespace lookback::app {
namespace {

constexpr size_t kPartBytes = 1 << 20;  // As large as a body may be.
constexpr int kMaxBreaks = 10;          // Of the connection, without any progress between them.
constexpr auto kImportPollEvery = std::chrono::milliseconds(100);
constexpr auto kAfterBreak = std::chrono::seconds(1);

struct ImportOptions {
  std::vector<std::string> files;
  std::string camera, start, date, reason;
  bool audio = false;
};

struct SourceFile {
  std::string path;
  std::optional<TimeUs> start_us;
};

std::string BaseName(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// FILE or FILE@T. A file that exists under the whole name is that file.
Result<SourceFile> ReadSource(const std::string& text, const ImportOptions& options,
                              const TimeZone& zone, FileSystem& files) {
  SourceFile source{text, std::nullopt};
  const size_t at = text.rfind('@');
  if (at != std::string::npos && !Exists(files, text)) {
    source.path = text.substr(0, at);
    LB_TRY_ASSIGN(start_us, ResolveTime("FILE@T", text.substr(at + 1), options.date, zone));
    source.start_us = start_us;
  }
  LB_TRY_ASSIGN(info, files.Stat(source.path));
  if (!info.is_regular) return Fail(Code::kInvalid, source.path + " is no file");
  return source;
}

class Upload {
 public:
  Upload(Client& client, const SourceFile& source, FileSystem& files)
      : api_(client.api()), source_(source), files_(files) {}

  // The import as the server tells it, once it is done.
  Result<Json> Run(const ImportOptions& options, TimeUs start_us) {
    LB_TRY_ASSIGN(file, files_.Open(source_.path, OpenMode::kRead));
    LB_TRY_ASSIGN(size, file->Size());
    const Json body = {{"camera", options.camera},
                       {"start", FormatTime(start_us)},
                       {"file", BaseName(source_.path)},
                       {"bytes", size},
                       {"audio", options.audio}};
    LB_TRY_ASSIGN(
        added, api_.Call("POST", WithQuery("/api/v1/imports", {{"reason", options.reason}}), body));
    path_ = "/api/v1/imports/" + PercentEncode(TextOf(added, "id"));
    LB_TRY(SendAll(*file, size));
    return AwaitEnd();
  }

 private:
  Status SendAll(const File& file, uint64_t size) {
    uint64_t sent = 0;
    Bytes part(kPartBytes);
    for (int breaks = 0; sent < size;) {
      LB_TRY_ASSIGN(count, file.ReadAt(sent, part));
      if (count == 0) return Fail(Code::kConflict, source_.path + " became shorter meanwhile");
      HttpAsk ask;
      ask.method = "PUT";
      ask.path = WithQuery(path_ + "/parts", {{"offset", std::to_string(sent)}});
      ask.headers = {{"Content-Type", "application/octet-stream"}};
      ask.body.assign(AsText(ByteSpan(part).first(count)));
      auto answer = api_.Send(ask);
      if (!answer) {
        if (++breaks > kMaxBreaks) return Pass(answer.error());
        std::this_thread::sleep_for(kAfterBreak);
        // The last part may have come, or not.
        if (auto known = api_.Get(path_)) {
          sent = static_cast<uint64_t>(NumberOf(*known, "received_bytes"));
        }
        continue;
      }
      if (!answer->good()) return Pass(ProblemIn(*answer, api_.server()));
      breaks = 0;
      sent += count;
      progress_.Update(fmt::format("{}: {} % sent", BaseName(source_.path), sent * 100 / size));
    }
    return Ok();
  }

  Result<Json> AwaitEnd() {
    while (true) {
      LB_TRY_ASSIGN(import, api_.Get(path_));
      const std::string state = TextOf(import, "state");
      if (state == "done") return import;
      if (state == "failed") {
        const Json& problem = import["problem"];
        HttpAnswer answer;
        answer.status = static_cast<int>(NumberOf(problem, "status"));
        answer.body = problem.dump();
        return Pass(ProblemIn(answer, api_.server()));
      }
      const int64_t twice = std::max<int64_t>(2 * NumberOf(import, "bytes"), 1);
      progress_.Update(
          fmt::format("{}: {} {} %", BaseName(source_.path), state,
                      std::min<int64_t>(NumberOf(import, "read_bytes") * 100 / twice, 100)));
      std::this_thread::sleep_for(kImportPollEvery);
    }
  }

  ApiClient& api_;
  const SourceFile& source_;
  FileSystem& files_;
  std::string path_;
  ProgressLine progress_;
};

std::string Sentence(const Json& import, const TimeZone& zone) {
  std::string text =
      fmt::format("{}: {} has it from {} to {} ({}, SHA-256 {})\n",
                  Printable(TextOf(import, "file")), Printable(TextOf(import, "camera")),
                  LocalTimeOf(import, "start", zone), LocalTimeOf(import, "end", zone),
                  Printable(TextOf(import, "tracks")), TextOf(import, "sha256"));
  if (const std::string left = TextOf(import, "left_out"); !left.empty()) {
    text += "  left out: " + Printable(left) + "\n";
  }
  if (NumberOf(import, "left_out_samples") > 0) {
    text += fmt::format("  left out: {} that no decoder could start at\n",
                        CountOf(import, "left_out_samples", "sample"));
  }
  if (const int64_t stretches = NumberOf(import, "stretches"); stretches > 1) {
    text += fmt::format("  it is {} stretches, with gaps between them\n", stretches);
  }
  return text;
}

Result<int> Import(Client& client, const ImportOptions& options, FileSystem& files) {
  LB_TRY_ASSIGN(zone, client.Zone());
  std::vector<SourceFile> sources;
  for (const std::string& text : options.files) {
    LB_TRY_ASSIGN(source, ReadSource(text, options, zone, files));
    sources.push_back(std::move(source));
  }
  if (!options.start.empty()) {
    LB_TRY_ASSIGN(start_us, ResolveTime("--start", options.start, options.date, zone));
    if (!sources.front().start_us) sources.front().start_us = start_us;
  }
  if (!sources.front().start_us) {
    return Fail(Code::kInvalid,
                "when the first picture was taken must be said, by --start T or as FILE@T");
  }
  Json imports = Json::array();
  TimeUs next_us = 0;
  for (const SourceFile& source : sources) {
    auto import = Upload(client, source, files).Run(options, source.start_us.value_or(next_us));
    if (!import) {
      const std::string kept =
          imports.empty() ? "" : " (kept: " + Count(imports.size(), "file") + " before it)";
      return Pass(
          {import.error().code, import.error().message + kept, import.error().system_error});
    }
    LB_TRY_ASSIGN(end_us, ParseTime(TextOf(*import, "end")));
    next_us = end_us;
    if (!client.json()) PrintText(Sentence(*import, zone));
    imports.push_back(std::move(*import));
  }
  if (client.json()) PrintJson({{"imports", imports}});
  return kExitOk;
}

}  // namespace

void AddImportCommand(Commands& commands) {
  auto options = std::make_shared<ImportOptions>();
  CLI::App* import = commands.AddClient(
      &commands.app, "import", "Put footage from files into the archive, one after the other.",
      [&commands, options](Client& client) { return Import(client, *options, commands.files); });
  import
      ->add_option("files", options->files, "FILE, or FILE@T with when its first picture was taken")
      ->required();
  import->add_option("--camera", options->camera, "whose footage it becomes")->required();
  import->add_option("--start", options->start,
                     "when the first file's first picture was taken: RFC 3339 with offset; beside "
                     "--date a local HH:MM[:SS]");
  import->add_option("--date", options->date, "YYYY-MM-DD in the store's zone, or that of --tz");
  import->add_flag("--audio", options->audio, "its sound too");
  import->add_option("--reason", options->reason, "why, for the record");
}

}  // namespace lookback::app
