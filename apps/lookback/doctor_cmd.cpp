// `lookback doctor`: what is wrong with the machine, the disks and the settings that a store
// depends on, by the server or, with --config or --data, without one.

#include <fmt/format.h>

#include "api/doctor_json.h"
#include "apps/lookback/command.h"
#include "apps/lookback/doctor_text.h"
#include "apps/lookback/settings_file.h"
#include "apps/lookback/store_place.h"
#include "base/log.h"
#include "doctor/facts.h"
#include "doctor/libraries.h"
#include "doctor/service.h"
#include "doctor/speed.h"
#include "net/http_server.h"
#include "net/tls_certificate.h"
#include "storage/data_directory.h"
#include "storage/volume_file.h"

namespace lookback::app {
namespace {

struct DoctorAsked {
  std::string config;
  std::string data;
  std::vector<std::string> volumes;
  std::string tls_certificate;
  std::string tls_key;
  bool no_speed = false;
};

int Show(const Json& report, bool json) {
  if (json) {
    PrintJson(report);
  } else {
    PrintText(DoctorText(report));
  }
  return FlagOf(report, "sound") ? kExitOk : kExitNegative;
}

Result<int> AskServer(Client& client) {
  auto report = client.api().Get("/api/v1/doctor");
  if (!report && report.code() == Code::kUnavailable) {
    return Fail(Code::kUnavailable,
                report.message() +
                    "; `lookback doctor --config FILE` or --data DIR looks without a server");
  }
  if (!report) return Pass(report.error());
  return Show(*report, client.json());
}

// The volumes that the store knows, and those that the first start would make.
Status AddVolumes(const DoctorAsked& asked, FileSystem& files, doctor::Question& question) {
  const auto add = [&question](const std::string& root, bool known) {
    for (const auto& volume : question.volumes) {
      if (volume.root == root) return;
    }
    question.volumes.push_back({root, known, "", {}});
  };
  const auto store = storage::ReadStoreFile(files, JoinPath(question.data, storage::kStoreFile));
  if (!store && store.code() != Code::kNotFound) return Pass(store.error());
  if (store) {
    for (const auto& volume : store->volumes) add(volume.root, true);
  }
  for (const std::string& root : asked.volumes) add(storage::AbsolutePath(root), false);
  if (question.volumes.empty()) add(JoinPath(question.data, "volume"), false);
  return Ok();
}

doctor::CertificateFacts LookAtCertificate(const DoctorAsked& asked, Clock& clock,
                                           FileSystem& files) {
  doctor::CertificateFacts facts{asked.tls_certificate, "", {}};
  const auto certificate =
      net::TlsCertificate::Open(files, clock, {asked.tls_certificate, asked.tls_key});
  if (certificate) facts.expires_us = (*certificate)->ExpiresUs();
  if (!certificate) facts.trouble = certificate.message();
  return facts;
}

void MeasureSpeeds(doctor::Facts& facts, const std::string& why_not, Clock& clock,
                   FileSystem& files) {
  ProgressLine progress;
  for (doctor::Place& place : facts.places) {
    if (place.data || place.missing() || !place.trouble.empty()) continue;
    if (place.space.read_only) continue;  // Told already.
    place.speed_trouble = why_not.empty() && !place.there ? "it is not there yet" : why_not;
    if (!place.speed_trouble.empty()) continue;
    progress.Update("measuring the speed of " + place.root);
    const auto speed = doctor::MeasureSpeed(place.real, clock, files);
    if (speed) place.speed = *speed;
    if (!speed) place.speed_trouble = speed.message();
  }
}

Result<int> LookHere(const DoctorAsked& asked, bool json, Clock& clock, FileSystem& files) {
  SetLogLevel(LogLevel::kError);  // What parts would log is told as a finding.
  doctor::Question question;
  question.data = storage::AbsolutePath(asked.data);
  if (!asked.config.empty()) question.config = storage::AbsolutePath(asked.config);
  LB_TRY(AddVolumes(asked, files, question));
  if (!asked.tls_key.empty()) question.secrets = {asked.tls_key};
  const auto machine = doctor::MakeThisMachine();
  doctor::Facts facts = doctor::GatherFacts(question, *machine);
  facts.now_us = clock.NowUs();
  facts.clock_synchronised = clock.Synchronised();
  facts.libraries = doctor::Libraries();
  facts.connections = net::HttpLimits{}.connections;
  if (!asked.tls_certificate.empty()) {
    facts.certificate = LookAtCertificate(asked, clock, files);
  }
  std::string why_not;
  if (asked.no_speed) {
    why_not = "--no-speed was said";
  } else if (doctor::StoreRuns(question.data, *machine)) {
    why_not = "the server records there, and would have to wait";
  }
  MeasureSpeeds(facts, why_not, clock, files);
  return Show(api::ToJson(doctor::Examine(facts)), json);
}

// What the server's file says, where the command line does not.
Result<DoctorAsked> WithSettings(DoctorAsked asked, FileSystem& files) {
  if (asked.config.empty()) return asked;
  LB_TRY_ASSIGN(file, ReadSettingsFile(files, asked.config));
  if (!file.faults.empty()) {
    TellFaults(asked.config, file.faults);
    return Fail(Code::kInvalid, asked.config + " has faults, which are told above");
  }
  const Settings& settings = file.settings;
  asked.volumes.insert(asked.volumes.end(), settings.volumes.begin(), settings.volumes.end());
  if (asked.data.empty()) asked.data = settings.data;
  if (asked.data.empty()) {
    // The service's own file without it means the directory that systemd makes.
    const auto unit = doctor::ReadServiceUnit(*doctor::MakeThisMachine());
    const bool its_own = unit && storage::AbsolutePath(asked.config) == unit->config;
    LB_TRY_ASSIGN(data, DefaultDataDirectory());
    asked.data = its_own && !unit->data.empty() ? unit->data : std::move(data);
  }
  if (asked.tls_certificate.empty()) {
    asked.tls_certificate = settings.tls_certificate;
    asked.tls_key = settings.tls_key;
  }
  return asked;
}

}  // namespace

void AddDoctorCommand(Commands& commands) {
  auto asked = std::make_shared<DoctorAsked>();
  CLI::App* command = commands.AddClient(
      &commands.app, "doctor",
      "What is wrong with machine, disks and settings, and what to do about it.", AskServer);
  command->add_option("--config", asked->config,
                      "look here, without a server, at the store of these settings");
  command->add_option("--data", asked->data, "the same, at this store")->check(NamesDirectory());
  command->add_option("--volume", asked->volumes, "one that it is to have, again for each")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  CLI::Option* certificate =
      command->add_option("--tls-certificate", asked->tls_certificate, "as for `serve`");
  CLI::Option* key =
      command->add_option("--tls-key", asked->tls_key, "as for `serve`")->needs(certificate);
  certificate->needs(key);
  command->add_flag("--no-speed", asked->no_speed,
                    "do not try how fast volumes are (64 MiB, some seconds each)");
  command->callback([&commands, asked] {
    commands.chosen = [&commands, asked]() -> Result<int> {
      if (!asked->data.empty() || !asked->config.empty()) {
        LB_TRY_ASSIGN(here, WithSettings(*asked, commands.files));
        return LookHere(here, commands.client.json, commands.clock, commands.files);
      }
      if (!asked->volumes.empty() || !asked->tls_certificate.empty() || asked->no_speed) {
        return Fail(Code::kInvalid,
                    "--volume, --tls-certificate and --no-speed are of a look without a server: "
                    "they need --config or --data beside them");
      }
      LB_TRY_ASSIGN(client, Client::Open(commands.client, commands.files));
      return AskServer(*client);
    };
  });
}

}  // namespace lookback::app
