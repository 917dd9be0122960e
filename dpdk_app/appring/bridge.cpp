// SPDX-License-Identifier: BSD-3-Clause
// The bridge bound to the real shard, and the translations between the stack's types and the
// ring ABI's.
#include "appring/bridge.h"

#include <algorithm>
#include <cstring>

#include "appring/bridge_control_impl.h"
#include "appring/bridge_impl.h"

namespace trunkline::appring {

template class BasicBridge<Shard>;

Bridge::Bridge(const BridgeConfig& config, Shard& shard)
    : core_(std::make_unique<BasicBridge<Shard>>(config, shard)) {}
Bridge::~Bridge() = default;

size_t Bridge::drain_submissions(TimePoint now) {
  return core_->drain_submissions(now);
}
void Bridge::deliver(TimePoint now, Event& event) {
  core_->deliver(now, event);
}
void Bridge::flush() {
  core_->flush();
}
void Bridge::arm() {
  core_->arm();
}
bool Bridge::has_work() const {
  return core_->has_work();
}
void Bridge::wait(Duration timeout) {
  core_->wait(timeout);
}
void Bridge::disarm() {
  core_->disarm();
}
int Bridge::wait_fd() const {
  return core_->wait_fd();
}
void Bridge::close_all(TimePoint now, bool abort) {
  core_->close_all(now, abort);
}
size_t Bridge::associations() const {
  return core_->associations();
}
const RingCounters& Bridge::counters() const {
  return core_->counters();
}
uint32_t Bridge::client_of(AssocId assoc) const {
  return core_->client_of(assoc);
}
BridgeMailbox& Bridge::mailbox() {
  return core_->mailbox();
}

}  // namespace trunkline::appring
