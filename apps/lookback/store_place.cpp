#include "apps/lookback/store_place.h"

#include <fmt/format.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "apps/lookback/command.h"
#include "apps/lookback/output.h"
#include "apps/lookback/settings_file.h"
#include "storage/data_directory.h"

namespace lookback::app {
namespace {

// Where the Debian package has the service's settings and its store.
constexpr const char* kServiceSettings = "/etc/lookback/lookback.toml";
constexpr const char* kServiceStore = "/var/lib/lookback";

// "; did you mean ...", where nothing was said and the service's store is another one.
std::string DidYouMean(const std::string& said, const std::string& data, FileSystem& files) {
  if (!said.empty()) return {};
  const auto settings = ReadSettingsFile(files, kServiceSettings);
  std::string likely = settings ? settings->settings.data : "";
  if (likely.empty() && Exists(files, JoinPath(kServiceStore, storage::kStoreFile))) {
    likely = kServiceStore;
  }
  return likely.empty() || likely == data ? "" : fmt::format("; did you mean --data {}?", likely);
}

Result<std::string> DataOf(const std::string& said) {
  if (!said.empty()) return said;
  return DefaultDataDirectory();
}

// A service manager names the place by STATE_DIRECTORY.
bool IsRootsDefault(const std::string& said) {
  return said.empty() && geteuid() == 0 && std::getenv("STATE_DIRECTORY") == nullptr;
}

// Behind an error of what the system did not permit.
std::string WhoMay(const Error& error, const std::string& data) {
  const std::string other = "; run this as root, or as the user that the store belongs to";
  struct stat owner {};
  if (stat(data.c_str(), &owner) != 0) return other;
  const passwd* const known = owner.st_uid == 0 ? nullptr : getpwuid(owner.st_uid);
  if (known == nullptr) return other;
  const std::string name = known->pw_name;
  if (owner.st_uid != geteuid()) {
    return fmt::format("; run it as the user that owns {}: runuser -u {} -- lookback ...", data,
                       name);
  }
  if (error.message.find(data) == std::string::npos) {  // Another place is meant.
    return fmt::format(
        "; {0} runs this and may not: let it in (as root, `chown {0}: DIR`), or name "
        "another place",
        name);
  }
  return fmt::format("; it is not {0}'s, who owns {1}: as root, `chown -R {0}: {1}`", name, data);
}

}  // namespace

CLI::Validator NamesDirectory() {
  return CLI::Validator(
      [](std::string& said) {
        return std::string(said.empty() ? "names a directory, and is empty here" : "");
      },
      "");
}

Result<std::string> StoreOf(const std::string& said, FileSystem& files) {
  LB_TRY_ASSIGN(data, DataOf(said));
  const auto there = files.Stat(data);
  if (!there && there.code() == Code::kNotFound) {
    const std::string meant = DidYouMean(said, data, files);
    return Fail(Code::kNotFound,
                fmt::format("there is no {}{}", data,
                            meant.empty() ? "; --data names the directory of a store" : meant));
  }
  if (!there) return Pass(there.error());
  const auto store = storage::ReadStore(data, files);
  if (store) {
    // Root has one at home where a server was once tried by hand.
    const std::string meant = IsRootsDefault(said) ? DidYouMean(said, data, files) : "";
    if (!meant.empty()) Complain("warning: this is about the store in " + data + meant);
    return data;
  }
  if (store.code() != Code::kNotFound) return Pass(store.error());
  return Fail(Code::kInvalid, store.message() + DidYouMean(said, data, files));
}

Result<std::string> PlaceForStore(const std::string& said, FileSystem& files) {
  LB_TRY_ASSIGN(data, DataOf(said));
  if (!IsRootsDefault(said)) return data;
  return Fail(
      Code::kInvalid,
      fmt::format("root has to say where, by --data: the default is {}, where no service looks{}",
                  data, DidYouMean(said, data, files)));
}

Status CheckNotRootsFiles(const std::string& data) {
  struct stat owner {};
  if (geteuid() != 0 || stat(data.c_str(), &owner) != 0 || owner.st_uid == 0) return Ok();
  const passwd* const known = getpwuid(owner.st_uid);
  const std::string name = known == nullptr ? std::to_string(owner.st_uid) : known->pw_name;
  return Fail(Code::kDenied,
              fmt::format("{0} belongs to {1}, who could not read what root writes there: `runuser "
                          "-u {1} -- lookback ...`",
                          data, name));
}

int StoreFailed(const Error& error, const std::string& data) {
  const bool not_permitted = error.system_error == EACCES || error.system_error == EPERM;
  Complain(error.message + (not_permitted ? WhoMay(error, data) : ""));
  return error.code == Code::kInvalid ? int{kExitOtherStore} : ExitCodeOf(error);
}

}  // namespace lookback::app
