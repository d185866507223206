// `lookback status`: how the server does: what is wrong, its cameras, its volumes, itself.

#include "apps/lookback/command.h"
#include "apps/lookback/status_text.h"

namespace lookback::app {
namespace {

Result<int> ShowServer(Client& client) {
  LB_TRY_ASSIGN(status, client.api().Get("/api/v1/status"));
  LB_TRY_ASSIGN(answer, client.api().Get("/api/v1/volumes"));
  status["volumes"] = ListOf(answer, "volumes");
  if (client.json()) {
    PrintJson(status);
    return kExitOk;
  }
  LB_TRY_ASSIGN(cameras, client.api().Get("/api/v1/cameras?status=1"));
  LB_TRY_ASSIGN(zone, client.Zone());
  PrintText(StatusText(status, ListOf(cameras, "cameras"), client.api().server(), zone));
  return kExitOk;
}

}  // namespace

void AddStatusCommand(Commands& commands) {
  commands.AddClient(&commands.app, "status", "How the server does: volumes and alarms.",
                     &ShowServer);
}

}  // namespace lookback::app
