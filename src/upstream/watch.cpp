#include "upstream/watch.hpp"

#include <utility>

namespace lethe::upstream {

watch::watch(net::worker& on, const options& of, const std::optional<net::tls_client>& tls,
             std::shared_ptr<known_names> known, std::function<void(pool_change)> report)
    : report_(std::move(report)),
      health_(on, of, tls,
              [this](std::size_t entry, const replica& which, bool healthy) {
                  report_([entry, which, healthy](pool& of_worker) {
                      of_worker.set_healthy(entry, which, healthy);
                  });
              }),
      names_(on, of, std::move(known), [this](std::size_t entry, address_list now) {
          report_([entry, now](pool& of_worker) { of_worker.use_addresses(entry, *now); });
          // A replica that joins counts as healthy: what is asked afterwards is said afterwards.
          health_.use_addresses(entry, *now);
      }) {}

}  // namespace lethe::upstream
