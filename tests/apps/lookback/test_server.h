// tests/apps/lookback/test_server.h: an HTTP server of this process, that answers as a test says.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "net/http_server.h"
#include "net/loop.h"

namespace lookback::app {

class TestServer {
 public:
  explicit TestServer(net::HttpHandler handler) {
    net::HttpServer::Options options;
    options.port = 0;
    options.workers = 1;  // One request at a time, so that handlers need no locks.
    auto server = net::HttpServer::Start(loop_, options, std::move(handler));
    EXPECT_TRUE(server) << server.message();
    server_ = std::move(*server);
    thread_ = std::thread([this] { loop_.Run(); });
  }
  ~TestServer() {
    loop_.Post([this] { server_->Stop(0, [this] { loop_.Stop(); }); });
    thread_.join();
    server_.reset();
  }
  TestServer(const TestServer&) = delete;
  TestServer& operator=(const TestServer&) = delete;

  std::string url() const { return "http://127.0.0.1:" + std::to_string(server_->port()); }

 private:
  net::Loop loop_;
  std::unique_ptr<net::HttpServer> server_;
  std::thread thread_;
};

inline net::HttpResponse Answer(int status, std::string body) {
  net::HttpResponse response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

}  // namespace lookback::app
