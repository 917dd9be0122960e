// SPDX-License-Identifier: BSD-3-Clause
// The schedulers that few use.
#include "tx/scheduler.h"

namespace trunkline {

void FirstCome::push(TxMessage* oldest) {
  waiting_.insert(oldest);
}

void FirstCome::sent() {
  waiting_.remove(waiting_.first());
}

void FirstCome::remove(TxMessage* message) {
  waiting_.remove(message);
}

}  // namespace trunkline
