// `lookback camera`: which cameras there are, and how they do.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "apps/lookback/command.h"
#include "apps/lookback/deletion_preview.h"
#include "base/lists.h"

namespace lookback::app {
namespace {

constexpr const char* kTransportHelp = "auto (tcp, and udp when the camera refuses), tcp or udp";
constexpr const char* kTlsHelp =
    "whom to believe behind rtsps://: verify (default), pin:SHA256, insecure";
constexpr const char* kGroupHelp =
    "the cameras that it belongs to, in name: a policy can be theirs";
constexpr const char* kSubUrlHelp =
    "of its sub stream, a light one, which is recorded beside the main one; reached as that is";

constexpr const char* kPlaceHelp =
    "where it stands: LATITUDE,LONGITUDE in degrees, and ,BEARING where it looks (0 is north)";
constexpr const char* kTagsHelp = "what it is looked for by: TAG,TAG";

struct NewCamera {
  std::string id;
  std::string url;
  std::string sub_url;
  std::string name;
  std::string group;
  std::string user;
  std::string password_file;
  bool audio = false;
  bool imported = false;
  std::string transport;
  std::string tls;
  std::string place;
  std::string tags;
};

// What is not said stays as it is.
struct CameraChange {
  std::string id;
  std::optional<std::string> url, sub_url, name, group, user, password_file, audio, transport, tls,
      place, tags;
  bool enable = false, disable = false;
  bool yes = false;
};

// "52.5,13.4[,90]"; empty: null.
Result<Json> ReadPlace(const std::string& text) {
  if (text.empty()) return Json();
  constexpr const char* kMembers[] = {"latitude", "longitude", "bearing"};
  LB_TRY_ASSIGN(degrees, ReadNumbers(text));
  if (degrees.size() < 2 || degrees.size() > std::size(kMembers)) {
    return Fail(Code::kInvalid, fmt::format("--place {} is not LATITUDE,LONGITUDE or "
                                            "LATITUDE,LONGITUDE,BEARING in degrees",
                                            Printable(text)));
  }
  Json place = Json::object();
  for (size_t i = 0; i < degrees.size(); ++i) place[kMembers[i]] = degrees[i];
  return place;
}

// "crossing,north"; empty: none.
Json ReadTags(const std::string& text) {
  Json tags = Json::array();
  for (const std::string& tag : SplitAtCommas(text)) tags.push_back(tag);
  return tags;
}

Result<int> AddCamera(Client& client, const NewCamera& camera, FileSystem& files) {
  if (camera.imported == !camera.url.empty()) {
    return Fail(Code::kInvalid, "a camera has either a URL, or --imported and none");
  }
  Json body = {{"id", camera.id}, {"audio", camera.audio}};
  if (camera.imported) {
    body["imported"] = true;
  } else {
    body["url"] = camera.url;
  }
  if (!camera.sub_url.empty()) body["sub_url"] = camera.sub_url;
  if (!camera.name.empty()) body["name"] = camera.name;
  if (!camera.group.empty()) body["group"] = camera.group;
  if (!camera.user.empty()) body["user"] = camera.user;
  if (!camera.transport.empty()) body["transport"] = camera.transport;
  if (!camera.tls.empty()) body["tls"] = camera.tls;
  if (!camera.place.empty()) {
    LB_TRY_ASSIGN(place, ReadPlace(camera.place));
    body["place"] = std::move(place);
  }
  if (!camera.tags.empty()) body["tags"] = ReadTags(camera.tags);
  if (!camera.password_file.empty()) {
    LB_TRY_ASSIGN(password, ReadPassword(files, camera.password_file));
    body["password"] = password;
  }
  LB_TRY_ASSIGN(added, client.api().Call("POST", "/api/v1/cameras", body));
  if (client.json()) {
    PrintJson(added);
  } else if (camera.imported) {
    const std::string id = Printable(TextOf(added, "id"));
    PrintText(
        fmt::format("camera {} is added; `lookback import FILE --camera {} --start T` brings "
                    "its footage\n",
                    id, id));
  } else {
    const std::string id = Printable(TextOf(added, "id"));
    PrintText(
        fmt::format("camera {} is added, and {} is being connected to; `lookback camera "
                    "status {}` tells how it goes\n",
                    id, Printable(TextOf(added, "url")), id));
  }
  return kExitOk;
}

std::string OnOff(const Json& json, const char* name) { return FlagOf(json, name) ? "on" : "off"; }

std::string Recording(const Json& camera) {
  if (FlagOf(camera, "removed")) return "removed";
  return FlagOf(camera, "imported") ? "imported" : OnOff(camera, "enabled");
}

double RealOf(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_number() ? found->get<double>() : 0;
}

// "52.519444, 13.406667, looks 90"; empty where it is not known.
std::string FormatPlace(const Json& camera) {
  const Json place = camera.value("place", Json());
  if (!place.is_object()) return {};
  const bool looks = place.contains("bearing") && place["bearing"].is_number();
  return fmt::format("{:.6f}, {:.6f}{}", RealOf(place, "latitude"), RealOf(place, "longitude"),
                     looks ? fmt::format(", looks to {} degrees", NumberOf(place, "bearing")) : "");
}

std::string FormatRate(const Json& status) {
  return fmt::format("{:.2f} Mbit/s", RealOf(status, "bits_per_second") / 1e6);
}

// "25.0 of 30"
std::string FormatFrameRate(const Json& status) {
  const double declared = RealOf(status, "declared_frames_per_second");
  return fmt::format("{:.1f}{}", RealOf(status, "frames_per_second"),
                     declared > 0 ? fmt::format(" of {:.4g}", declared) : "");
}

std::string FormatGop(const Json& status) {
  const int64_t frames = NumberOf(status, "gop_frames");
  if (frames == 0) return "-";
  return fmt::format("{}, {:.2f} s", frames,
                     static_cast<double>(NumberOf(status, "gop_us")) / kUsPerSecond);
}

std::string FormatLoss(const Json& status) {
  return fmt::format("{}, {:.2f} %", NumberOf(status, "lost_packets"),
                     RealOf(status, "lost_percent"));
}

// The camera's clock less ours.
std::string FormatOffset(const Json& status) {
  const auto offset = status.find("camera_offset_us");
  if (offset == status.end() || !offset->is_number()) return "-";
  const double hundredths = std::round(offset->get<double>() * 100 / kUsPerSecond);
  return fmt::format("{:+.2f} s", hundredths == 0 ? 0 : hundredths / 100);  // Never -0.00.
}

// Why it is not recorded, or what ails it: what waits also says how long.
std::string FormatTrouble(const Json& status) {
  const std::string reason = TextOf(status, "reason");
  const std::string error = TextOf(status, "last_error");
  return reason.empty() || error.empty() ? reason + error : error + "; " + reason;
}

// Of one stream; `which` is in front of each line.
void AddStatus(const Json& status, const std::string& which, Table& table) {
  table.Add({which + "state", TextOf(status, "state")});
  table.Add({which + "trouble", FormatTrouble(status)});
  table.Add({which + "durable until", TextOf(status, "durable_until")});
  table.Add({which + "bitrate", FormatRate(status)});
  table.Add({which + "frames a second", FormatFrameRate(status)});
  table.Add({which + "group of pictures", FormatGop(status)});
  table.Add({which + "lost packets", FormatLoss(status) + " in the last minute"});
  table.Add({which + "clock", FormatOffset(status)});
  table.Add({which + "reconnects", std::to_string(NumberOf(status, "reconnects"))});
}

// The status of the sub stream in that of its camera; nullptr when it has none.
const Json* SubOf(const Json& status) {
  const auto sub = status.find("sub");
  return sub != status.end() && sub->is_object() ? &*sub : nullptr;
}

void PrintCamera(const Json& camera) {
  Table table({"id", TextOf(camera, "id")});
  table.Add({"name", TextOf(camera, "name")});
  table.Add({"group", TextOf(camera, "group")});
  if (const std::string place = FormatPlace(camera); !place.empty()) table.Add({"place", place});
  if (const std::string tags = WordsOf(camera, "tags"); !tags.empty()) table.Add({"tags", tags});
  table.Add({"url", TextOf(camera, "url")});
  const std::string sub_url = TextOf(camera, "sub_url");
  if (!sub_url.empty()) table.Add({"sub url", sub_url});
  table.Add({"user", TextOf(camera, "user")});
  table.Add({"password", FlagOf(camera, "has_password") ? "set, never shown" : "none"});
  table.Add({"recording", Recording(camera)});
  table.Add({"audio", OnOff(camera, "audio")});
  table.Add({"transport", TextOf(camera, "transport")});
  table.Add({"tls", TextOf(camera, "tls")});
  if (const auto status = camera.find("status"); status != camera.end()) {
    AddStatus(*status, "", table);
    if (const Json* sub = SubOf(*status)) AddStatus(*sub, "sub ", table);
  }
  PrintText(table.Text());
}

Result<int> ChangeCamera(Client& client, const CameraChange& change, FileSystem& files) {
  Json body = Json::object();
  if (change.url) body["url"] = *change.url;
  if (change.sub_url) body["sub_url"] = *change.sub_url;
  if (change.name) body["name"] = *change.name;
  if (change.group) body["group"] = *change.group;
  if (change.user) body["user"] = *change.user;
  if (change.place) {
    LB_TRY_ASSIGN(place, ReadPlace(*change.place));
    body["place"] = std::move(place);
  }
  if (change.tags) body["tags"] = ReadTags(*change.tags);
  if (change.password_file) {
    LB_TRY_ASSIGN(password, ReadPassword(files, *change.password_file));
    body["password"] = password;
  }
  if (change.audio) body["audio"] = *change.audio == "on";
  if (change.transport) body["transport"] = *change.transport;
  if (change.tls) body["tls"] = *change.tls;
  if (change.enable || change.disable) body["enabled"] = change.enable;
  if (body.empty()) {
    return Fail(Code::kInvalid, "nothing is to be set; --help lists what can be");
  }
  if (change.group) {
    LB_TRY_ASSIGN(
        agreed,
        AgreedToDeletion(client, {{"camera", change.id}, {"group", *change.group}}, change.yes));
    if (!agreed) return kExitNegative;
  }
  LB_TRY_ASSIGN(changed, client.api().Call("PATCH", CameraPath(change.id), body));
  if (client.json()) {
    PrintJson(changed);
  } else {
    PrintCamera(changed);
  }
  return kExitOk;
}

Result<int> ShowCamera(Client& client, const std::string& id) {
  LB_TRY_ASSIGN(camera, client.api().Get(CameraPath(id)));
  if (client.json()) {
    PrintJson(camera);
  } else {
    PrintCamera(camera);
  }
  return kExitOk;
}

Result<int> ListCameras(Client& client, bool removed) {
  LB_TRY_ASSIGN(answer,
                client.api().Get(removed ? "/api/v1/cameras?removed=1" : "/api/v1/cameras"));
  if (client.json()) {
    PrintJson(answer);
    return kExitOk;
  }
  Table table({"ID", "NAME", "GROUP", "URL", "USER", "RECORDING", "AUDIO"});
  for (const Json& camera : ListOf(answer, "cameras")) {
    table.Add({TextOf(camera, "id"), TextOf(camera, "name"), TextOf(camera, "group"),
               TextOf(camera, "url"), TextOf(camera, "user"), Recording(camera),
               OnOff(camera, "audio")});
  }
  PrintText(table.empty() ? "There are no cameras; `lookback camera add ID URL` adds one.\n"
                          : table.TextFor(ScreenColumns()));
  return kExitOk;
}

Result<int> RemoveCamera(Client& client, const std::string& id) {
  LB_TRY_ASSIGN(nothing, client.api().Call("DELETE", CameraPath(id)));
  if (client.json()) {
    PrintJson({{"camera", id}, {"removed", true}});
  } else {
    PrintText("camera " + Printable(id) +
              " is removed; its footage stays until retention takes it\n");
  }
  return kExitOk;
}

void AddStatusRow(const Json& status, const std::string& stream, const TimeZone& zone,
                  Table& table) {
  const bool down = !TextOf(status, "down_since").empty();
  table.Add({stream, TextOf(status, "state"),
             LocalTimeOf(status, down ? "down_since" : "since", zone),
             LocalTimeOf(status, "durable_until", zone), TextOf(status, "transport"),
             FormatRate(status), FormatFrameRate(status), FormatGop(status), FormatLoss(status),
             FormatOffset(status), TextOf(status, "tracks"), FormatTrouble(status)});
}

// Of a stream that should be recorded, and is not.
bool IsSick(const Json& status) {
  const std::string state = TextOf(status, "state");
  return state != "recording" && state != "stopped" && state != "imported";
}

bool HasSickStream(const Json& status) {
  const Json* sub = SubOf(status);
  return IsSick(status) || (sub != nullptr && IsSick(*sub));
}

// Those with a stream that is not recorded come first. A line a stream: "gate" is the main one of
// that camera, "gate/sub" its other.
Table StatusTable(const Json& list, const TimeZone& zone) {
  Table table({"CAMERA", "STATE", "SINCE", "DURABLE UNTIL", "BY", "RATE", "FRAMES/S", "GOP", "LOST",
               "CAMERA CLOCK", "TRACKS", "TROUBLE"});
  std::vector<const Json*> sorted;
  for (const Json& status : list) sorted.push_back(&status);
  std::stable_partition(sorted.begin(), sorted.end(),
                        [](const Json* status) { return HasSickStream(*status); });
  for (const Json* one : sorted) {
    const Json& status = *one;
    const std::string camera = TextOf(status, "camera");
    AddStatusRow(status, camera, zone, table);
    if (const Json* sub = SubOf(status)) AddStatusRow(*sub, camera + "/sub", zone, table);
  }
  return table;
}

Result<int> ShowStatus(Client& client, const std::string& id) {
  Json list = Json::array();
  if (!id.empty()) {
    LB_TRY_ASSIGN(status, client.api().Get(CameraPath(id) + "/status"));
    list.push_back(std::move(status));
  } else {
    LB_TRY_ASSIGN(cameras, client.api().Get("/api/v1/cameras?status=1"));
    for (const Json& camera : ListOf(cameras, "cameras")) {
      if (const auto status = camera.find("status"); status != camera.end())
        list.push_back(*status);
    }
  }
  if (client.json()) {
    PrintJson(id.empty() ? Json{{"cameras", list}} : list.front());
    return kExitOk;
  }
  LB_TRY_ASSIGN(zone, client.Zone());
  PrintText(list.empty() ? "There are no cameras.\n"
                         : StatusTable(list, zone).TextFor(ScreenColumns()));
  return kExitOk;
}

void AddCameraSet(Commands& commands, CLI::App* group) {
  auto change = std::make_shared<CameraChange>();
  CLI::App* set = commands.AddClient(
      group, "set", "Change a camera's settings; what is not said stays.",
      [&commands, change](Client& c) { return ChangeCamera(c, *change, commands.files); });
  set->add_option("id", change->id)->required();
  set->add_option("--url", change->url, "rtsp[s]://HOST[:PORT]/PATH, without a password");
  set->add_option("--sub-url", change->sub_url,
                  std::string(kSubUrlHelp) + "; an empty one ends its recording");
  set->add_option("--name", change->name, "what people call it");
  CLI::Option* of_group =
      set->add_option("--group", change->group, std::string(kGroupHelp) + "; \"\" for none");
  set->add_flag("--yes", change->yes, "delete what another group's policy deletes without asking")
      ->needs(of_group);
  set->add_option("--user", change->user, "who the camera lets in");
  set->add_option("--password-file", change->password_file,
                  "a file whose first line is the password; an empty one takes it away");
  set->add_option("--audio", change->audio, "whether its sound is recorded too")
      ->check(CLI::IsMember({"on", "off"}));
  set->add_option("--transport", change->transport, kTransportHelp)
      ->check(CLI::IsMember({"auto", "tcp", "udp"}));
  set->add_option("--tls", change->tls, kTlsHelp);
  set->add_option("--place", change->place, std::string(kPlaceHelp) + "; \"\" for not known");
  set->add_option("--tags", change->tags, std::string(kTagsHelp) + "; \"\" for none");
  CLI::Option* enable = set->add_flag("--enable", change->enable, "record it again");
  set->add_flag("--disable", change->disable, "record it no more, until --enable")
      ->excludes(enable);
}

}  // namespace

void AddCameraCommands(Commands& commands) {
  CLI::App* group =
      commands.Group("camera", "Add, change, list, show and remove cameras; how they do.");
  auto camera = std::make_shared<NewCamera>();
  CLI::App* add = commands.AddClient(
      group, "add", "Record a camera from now on.",
      [&commands, camera](Client& client) { return AddCamera(client, *camera, commands.files); });
  add->add_option("id", camera->id, "[a-z0-9-], 1 to 64; never used again for another")->required();
  add->add_option("url", camera->url,
                  "rtsp[s]://HOST[:PORT]/PATH, or rtmp or http[s], without a password");
  add->add_option("--sub-url", camera->sub_url, kSubUrlHelp);
  add->add_flag("--imported", camera->imported, "it is not recorded, and only takes imports");
  add->add_option("--name", camera->name, "what people call it");
  add->add_option("--group", camera->group, kGroupHelp);
  CLI::Option* user = add->add_option("--user", camera->user, "who the camera lets in");
  add->add_option("--password-file", camera->password_file,
                  "a file whose first line is the password")
      ->needs(user);
  add->add_flag("--audio", camera->audio, "record its sound too");
  add->add_option("--transport", camera->transport, kTransportHelp)
      ->check(CLI::IsMember({"auto", "tcp", "udp"}));
  add->add_option("--tls", camera->tls, kTlsHelp);
  add->add_option("--place", camera->place, kPlaceHelp);
  add->add_option("--tags", camera->tags, kTagsHelp);

  AddCameraSet(commands, group);
  auto removed = std::make_shared<bool>(false);
  commands
      .AddClient(group, "list", "All cameras.",
                 [removed](Client& client) { return ListCameras(client, *removed); })
      ->add_flag("--removed", *removed, "removed ones too");
  auto id = std::make_shared<std::string>();
  commands
      .AddClient(group, "show", "One camera's settings.",
                 [id](Client& client) { return ShowCamera(client, *id); })
      ->add_option("id", *id)
      ->required();
  commands
      .AddClient(group, "remove", "Record a camera no more; its footage stays.",
                 [id](Client& client) { return RemoveCamera(client, *id); })
      ->add_option("id", *id)
      ->required();
  commands
      .AddClient(group, "status", "How a camera does, or all of them.",
                 [id](Client& client) { return ShowStatus(client, *id); })
      ->add_option("id", *id);
  AddUpkeepCommands(commands, group);
  AddProbeCommand(commands, group);
}

}  // namespace lookback::app
