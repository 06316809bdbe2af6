// Tells a dead man's switch how a run ended.

#include <curl/curl.h>
#include <fmt/format.h>

#include <memory>

#include "environment.hpp"
#include "exit_status.hpp"
#include "logging.hpp"
#include "settings.hpp"
#include "show/output.hpp"

namespace tickstock::cli {

namespace {

constexpr long time_limit_ms = 5'000;
/// After a signal, all final steps together have two seconds.
constexpr long time_limit_after_signal_ms = 1'000;

/// Turns `https://host/uuid` into `https://host/uuid/fail`, before any query.
std::string with_fail(const std::string& url) {
  std::string path = url.substr(0, url.find_first_of("?#"));
  const std::string rest = url.substr(path.size());
  while (path.ends_with('/')) path.pop_back();
  return path + "/fail" + rest;
}

/// Returns only the server: the path is often the secret that lets anyone ping.
std::string server_of(const std::string& url) {
  return url.substr(0, url.find_first_of("/?#", url.find("://") + 3));
}

std::size_t ignore(const char*, std::size_t size, std::size_t count, void*) { return size * count; }

}  // namespace

void ping(const std::string& url, Log& log, int exit_status, const std::string& message) {
  if (url.empty()) return;
  const bool succeeded = exit_status == status_done || exit_status == status_changes;
  const std::string target = succeeded ? url : with_fail(url);
  const std::string body = fmt::format("exit status {}: {}", exit_status, message);
  curl_global_init(CURL_GLOBAL_DEFAULT);
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> handle(curl_easy_init(),
                                                                   &curl_easy_cleanup);
  CURLcode result = CURLE_FAILED_INIT;
  if (CURL* curl = handle.get()) {
    const long limit = caught_signal() == 0 ? time_limit_ms : time_limit_after_signal_ms;
    curl_easy_setopt(curl, CURLOPT_URL, target.c_str());
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, limit);
    curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &ignore);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "tickstock-cache");
    if (!succeeded) curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, body.c_str());
    result = curl_easy_perform(curl);
  }
  if (result == CURLE_OK) return;
  log.warning(fmt::format("the ping of {} failed: {}. Check [monitoring] ping_url and the network.",
                          server_of(url), curl_easy_strerror(result)));
}

}  // namespace tickstock::cli
