// SPDX-License-Identifier: BSD-3-Clause
// Clients that come, go or misbehave.
#include "appring/bridge.h"

#include <algorithm>

namespace trunkline::appring {

Bridge::Client* Bridge::client_record(const RingClient* ring) {
  for (Client& client : clients_) {
    if (client.ring == ring) return &client;
  }
  return nullptr;
}

uint32_t Bridge::client_of(AssocId id) const {
  if (id.slot >= assocs_.size()) return 0;
  const Assoc& assoc = assocs_[id.slot];
  if (assoc.channel == nullptr || !(assoc.id == id)) return 0;
  return assoc.channel->client().identity.id;
}

void Bridge::take_mail(TimePoint now) {
  Mail mail;
  while (mailbox_.take_from_control(mail)) {
    if (mail.kind == MailKind::kAdd) {
      clients_.push_back({mail.client});
      for (uint32_t lane = 0; lane < mail.client->lanes(); ++lane) {
        Channel& channel = mail.client->channel(lane, config_.worker);
        channel.use = &mail.client->uses[config_.worker];
        channel.end_untold = !end_.is_never();
        channels_.push_back(&channel);
      }
      dirty_.reserve(channels_.size());
      count(RingCounter::k_ring_clients_added);
    } else if (mail.kind == MailKind::kRemove) {
      Client* const client = client_record(mail.client);
      if (client == nullptr) continue;
      client->released = true;
      look_at_the_dead();
      if (!client->dying) end_client(now, *client);
    }
  }
}

// Bad indices or lost memory: the client is over; the control thread is asked to hang up.
void Bridge::end_faulty(TimePoint now) {
  for (Client& client : clients_) {
    if (client.dying) continue;
    const bool lost = client.ring->segment->lost();
    bool faulted = false;
    for (uint32_t lane = 0; lane < client.ring->lanes(); ++lane) {
      faulted |= client.ring->channel(lane, config_.worker).faulted();
    }
    if (!lost && !faulted) continue;
    count(lost ? RingCounter::k_refuse_lost_segment : RingCounter::k_refuse_bad_index);
    end_client(now, client);
    [[maybe_unused]] const bool posted = mailbox_.post_to_control({MailKind::kFault, client.ring});
  }
}

void Bridge::end_client(TimePoint now, Client& client) {
  const auto is_its = [&](const Channel* channel) { return &channel->client() == client.ring; };
  // Payload of a lost segment reads as zeros: nothing of it may go out any more.
  bool abort = config_.on_death == ClientDeath::kAbort || client.ring->segment->lost();
  for (uint32_t lane = 0; lane < client.ring->lanes(); ++lane) {
    abort |= client.ring->channel(lane, config_.worker).faulted();
  }
  for (uint32_t lane = 0; lane < client.ring->lanes(); ++lane) {
    Channel& channel = client.ring->channel(lane, config_.worker);
    // What it asked for before it went still counts when its end is an orderly one: as much as lay
    // in the ring, whatever a process that still writes there adds to it.
    for (uint32_t left = abort ? 0 : channel.submission_size(); left != 0;) {
      const auto taken = static_cast<uint32_t>(drain_channel(now, channel));
      if (taken == 0) break;
      left -= std::min(left, taken);
    }
  }
  flush();  // what has been told is told
  for (uint32_t lane = 0; lane < client.ring->lanes(); ++lane) {
    Channel& channel = client.ring->channel(lane, config_.worker);
    channel.dying = true;
    drop_backlog(now, channel);
    channel.forget_lent([this](AssocName name, uint32_t bytes) { on_read(name, bytes); });
  }
  client.dying = true;
  client.orderly = !abort;
  look_at_the_dead();
  std::erase_if(channels_, is_its);
  std::erase_if(dirty_, is_its);
  for (uint32_t i = 0; i < endpoints_.size(); ++i) {
    Endpoint& endpoint = endpoints_[i];
    remove_listeners(endpoint, [&](const Listener& l) { return is_its(l.channel); });
    if (endpoint.listeners.empty()) stop_listening(endpoint);
    release_endpoint(i);
  }
  // Clients that are gone have no part: what is kept for the living is given back first.
  const uint64_t half = config_.max_units / 2;
  uint64_t too_many = units_ > half ? units_ - half : 0;
  const UnderWay under_way = abort ? UnderWay{} : under_way_of(client);
  for (Assoc& assoc : assocs_) {
    if (assoc.channel == nullptr || !is_its(assoc.channel)) continue;
    end_association(now, assoc.id, abort || !adopt(assoc, under_way, too_many));
  }
  for (uint32_t lane = 0; lane < client.ring->lanes(); ++lane) {
    adopt_moved(now, client.ring->channel(lane, config_.worker), abort);
  }
}

void Bridge::drop_backlog(TimePoint now, Channel& channel) {
  while (!channel.backlog_empty()) {
    Event& event = channel.backlog_front();
    const size_t size = event.size();
    event.payload.reset();
    if (event.kind == EventKind::kMessage) shard_.consumed(now, event.assoc, size);
    channel.backlog_pop();
  }
}

// A few clients a turn, however many have died; none while nothing happens to them.
void Bridge::let_go(TimePoint now) {
  size_t budget = kOrphansPerTurn;
  bool again = false;
  for (size_t n = std::min(looks_due_, kLooksPerTurn); n != 0 && !clients_.empty(); --n) {
    --looks_due_;
    if (next_look_ >= clients_.size()) next_look_ = 0;
    Client& client = clients_[next_look_];
    switch (let_go(now, client, budget)) {
      case Going::kGone:
        client = clients_.back();
        clients_.pop_back();
        count(RingCounter::k_ring_clients_removed);
        break;
      case Going::kAgain:
        again = true;
        [[fallthrough]];
      case Going::kWaits:
        ++next_look_;
        break;
    }
  }
  if (again) look_at_the_dead();
  looks_due_ = std::min(looks_due_, clients_.size());
}

// The segment of a client that is gone may be unmapped as soon as nothing lies in it that is not
// acknowledged; the rest of it goes when its associations are over and all payload has come back.
Bridge::Going Bridge::let_go(TimePoint now, Client& client, size_t& budget) {
  if (!client.dying || !client.released) return Going::kWaits;
  RingClient* const ring = client.ring;
  if (!client.detached && !detach(now, client, budget)) return Going::kAgain;
  bool busy = false;
  for (uint32_t lane = 0; !busy && lane < ring->lanes(); ++lane) {
    const Channel& channel = ring->channel(lane, config_.worker);
    busy = channel.associations != 0 || channel.tx_in_use() != 0;
  }
  if (!busy) {
    // Where the control thread has no room for it, it is told later.
    return mailbox_.post_to_control({MailKind::kGone, ring}) ? Going::kGone : Going::kAgain;
  }
  if (!client.told) client.told = mailbox_.post_to_control({MailKind::kDetached, ring});
  return client.told ? Going::kWaits : Going::kAgain;
}

void Bridge::refuse_peers() {
  closing_ = true;
  for (Endpoint& endpoint : endpoints_) {
    if (endpoint.in_use) stop_listening(endpoint);
  }
}

void Bridge::announce_end(TimePoint now, Duration left) {
  refuse_peers();
  end_ = now + left;
  for (Channel* channel : channels_) channel->end_untold = !tell_end(now, *channel);
}

bool Bridge::tell_end(TimePoint now, Channel& channel) {
  if (!channel.has_room(1)) return false;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(end_ - now).count();
  Channel::Notice out;
  out.head.kind = TLR_DAEMON_ENDING;
  out.head.length = static_cast<uint32_t>(std::clamp<int64_t>(left, 0, UINT32_MAX));
  channel.notify(out);
  mark_dirty(channel);
  return true;
}

void Bridge::close_all(TimePoint now, bool abort) {
  refuse_peers();
  for (Assoc& assoc : assocs_) {
    if (assoc.channel != nullptr) end_association(now, assoc.id, abort);
  }
}

}  // namespace trunkline::appring
