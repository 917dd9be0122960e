// SPDX-License-Identifier: BSD-3-Clause
// A probe for a loss that nothing behind it reports (RFC 8985 section 7): what it is. When it goes,
// and what its acknowledgement says of the network, is the association's.
#include "tx/sender.h"

namespace trunkline {

Sender::LossProbe Sender::probe_loss(const Profile& profile, uint8_t path, bool takes_new,
                                     uint32_t fragment_limit) {
  const TxMessage* const next = takes_new && !profile.nagle ? queue_.front() : nullptr;
  if (next != nullptr && std::min(next->unsent_size, fragment_limit) <= peer_rwnd_) {
    open_burst(profile);
    return LossProbe::kNew;
  }
  const TxChunk* const chunk = outstanding_.mark_probe(path);
  if (chunk == nullptr) return LossProbe::kNone;
  peer_rwnd_ += chunk->size;  // until it is sent
  again_now_ = true;
  return LossProbe::kAgain;
}

}  // namespace trunkline
