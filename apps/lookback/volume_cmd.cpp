// `lookback volume`: the disks that the server records on, while it does.

#include <fmt/format.h>

#include "apps/lookback/command.h"
#include "base/words.h"

namespace lookback::app {
namespace {

constexpr const char* kVolumesPath = "/api/v1/volumes";

struct VolumeOptions {
  std::string volume;
  std::string reason;
  bool lost = false;
  bool yes = false;
};

std::string ToText(const Json& volumes) {
  Table table({"VOLUME", "STATE", "FREE", "OF", "FOOTAGE", "HELD", "WRITING", "ID"});
  for (const Json& volume : volumes) {
    const std::string state = Printable(TextOf(volume, "state"));
    table.Add({Printable(TextOf(volume, "root")),
               FlagOf(volume, "draining") ? state + ", draining" : state,
               BytesText(volume, "free_bytes"), BytesText(volume, "total_bytes"),
               BytesText(volume, "bytes"), BytesText(volume, "held_bytes"),
               std::to_string(ListOf(volume, "cameras").size()), Printable(TextOf(volume, "id"))});
  }
  std::string text = table.TextFor(ScreenColumns());
  for (const Json& volume : volumes) {
    const std::string trouble = TextOf(volume, "trouble");
    if (!trouble.empty()) text += Printable(TextOf(volume, "root") + ": " + trouble) + "\n";
  }
  return text;
}

Result<int> ListVolumes(Client& client) {
  LB_TRY_ASSIGN(answer, client.api().Get(kVolumesPath));
  if (client.json()) {
    PrintJson(answer);
  } else {
    PrintText(ToText(ListOf(answer, "volumes")));
  }
  return kExitOk;
}

std::string PathOf(const Json& volume, const std::string& verb, const VolumeOptions& options) {
  return WithQuery(std::string(kVolumesPath) + "/" + PercentEncode(TextOf(volume, "id")) + verb,
                   {{"lost", options.lost ? "1" : ""}, {"reason", options.reason}});
}

// By its root or its id.
Result<Json> FindVolume(Client& client, const std::string& name) {
  LB_TRY_ASSIGN(answer, client.api().Get(kVolumesPath));
  for (const Json& volume : ListOf(answer, "volumes")) {
    if (TextOf(volume, "root") == name || TextOf(volume, "id") == name) return volume;
  }
  return Fail(Code::kNotFound,
              "the store has no volume " + Printable(name) + "; `lookback volume list` names them");
}

Result<int> AddVolume(Client& client, const VolumeOptions& options) {
  LB_TRY_ASSIGN(volume,
                client.api().Call("POST", WithQuery(kVolumesPath, {{"reason", options.reason}}),
                                  {{"root", options.volume}}));
  if (const std::string warning = TextOf(volume, "warning"); !warning.empty()) {
    Complain("warning: " + Printable(warning));
  }
  if (client.json()) {
    PrintJson(volume);
  } else {
    PrintText(fmt::format("{} takes footage, as volume {}\n", Printable(TextOf(volume, "root")),
                          Printable(TextOf(volume, "id"))));
  }
  return kExitOk;
}

Result<int> SetDraining(Client& client, const VolumeOptions& options, bool draining) {
  LB_TRY_ASSIGN(volume, FindVolume(client, options.volume));
  if (FlagOf(volume, "draining") == draining) {
    if (client.json()) {
      PrintJson(volume);
    } else {
      PrintText(fmt::format("{} is {}, as it was\n", Printable(TextOf(volume, "root")),
                            draining ? "being drained" : "not being drained"));
    }
    return kExitOk;
  }
  LB_TRY_ASSIGN(changed, client.api().Call(
                             "POST", PathOf(volume, draining ? "/drain" : "/undrain", options)));
  if (client.json()) {
    PrintJson(changed);
  } else {
    PrintText(fmt::format(
        "{} {}\n", Printable(TextOf(changed, "root")),
        draining ? "takes no new segments; what it holds stays until retention takes it"
                 : "may take footage again: the next run of a stream, or a new camera"));
  }
  return kExitOk;
}

Result<int> RemoveVolume(Client& client, const VolumeOptions& options) {
  LB_TRY_ASSIGN(volume, FindVolume(client, options.volume));
  const std::string root = Printable(TextOf(volume, "root"));
  if (options.lost) {
    const auto counted = volume.find("segments");
    const bool known = counted != volume.end() && counted->is_number();
    Complain(fmt::format(
        "everything on {} is put on record as missing, what is held too where no other "
        "volume has a copy of it: {}",
        root,
        known ? fmt::format("{} in {} when that was last counted, {} of them held",
                            BytesText(volume, "bytes"), CountOf(volume, "segments", "segment"),
                            NumberOf(volume, "held_segments"))
              : "how much that is was not counted yet since the start, which takes a "
                "minute"));
    LB_TRY_ASSIGN(agreed, Confirmed(options.yes));
    if (!agreed) return kExitNegative;
  }
  LB_TRY_ASSIGN(nothing, client.api().Call("DELETE", PathOf(volume, "", options)));
  if (client.json()) {
    PrintJson({{"id", TextOf(volume, "id")}, {"root", TextOf(volume, "root")}, {"removed", true}});
  } else {
    PrintText(root + " is removed; its disk may be taken away\n");
  }
  return kExitOk;
}

CLI::App* AddOne(Commands& commands, CLI::App* group, const std::string& name,
                 const std::string& description, const std::string& operand,
                 std::shared_ptr<VolumeOptions> options,
                 Result<int> (*run)(Client&, const VolumeOptions&)) {
  CLI::App* command = commands.AddClient(
      group, name, description, [options, run](Client& client) { return run(client, *options); });
  command->add_option("volume", options->volume, operand)->required();
  command->add_option("--reason", options->reason, "for the record");
  return command;
}

}  // namespace

void AddVolumeCommands(Commands& commands) {
  CLI::App* group = commands.Group("volume", "The disks that footage is recorded on.");
  auto options = std::make_shared<VolumeOptions>();
  commands.AddClient(group, "list", "All volumes, and how they do.", &ListVolumes);
  AddOne(commands, group, "add", "Record on one more, from now on; takes an admin.",
         "absolute path of a directory on the server: empty, or a volume of this store", options,
         &AddVolume);
  AddOne(commands, group, "drain",
         "Record nothing new on it, so that it can be removed one day; takes an admin.",
         "its path or id", options,
         [](Client& client, const VolumeOptions& o) { return SetDraining(client, o, true); });
  AddOne(commands, group, "undrain", "Record on it again; takes an admin.", "its path or id",
         options,
         [](Client& client, const VolumeOptions& o) { return SetDraining(client, o, false); });
  CLI::App* remove =
      AddOne(commands, group, "remove",
             "Remove one that is drained and holds nothing any more; takes an admin.",
             "its path or id", options, &RemoveVolume);
  remove->add_flag("--lost", options->lost,
                   "one that is offline and will not come back: what it holds is missing then");
  remove->add_flag("--yes", options->yes, "with --lost: do not ask");
}

}  // namespace lookback::app
