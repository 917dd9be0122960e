// SPDX-License-Identifier: BSD-3-Clause
// What applications in tests ask of libtrunkline: listen here, connect there, send this text. Each
// returns what the library returned.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "trunkline/trunkline.h"

namespace trunkline::test {

// The address that every association of a FakeShard has at its other end.
inline constexpr const char* kPeer = "192.0.2.7";

struct Listening {
  uint16_t port = 5000;
  uint32_t affinity = TL_ANY_WORKER;
  uint64_t user = 0;
  const char* profile = nullptr;
  std::vector<const char*> local = {};
};
inline std::vector<tl_address> addresses_of(const std::vector<const char*>& texts) {
  std::vector<tl_address> out(texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    static_cast<void>(tl_address_parse(texts[i], &out[i]));  // none: the library says so
  }
  return out;
}
inline int open_listener(tl_lane* lane, const Listening& how = {}, tl_listener* out = nullptr) {
  tl_listen_options options{};
  options.port = how.port;
  options.affinity = how.affinity;
  options.user = how.user;
  options.profile = how.profile;
  const std::vector<tl_address> local = addresses_of(how.local);
  options.local_addresses = local.data();
  options.local_count = local.size();
  tl_listener listener = 0;
  const int result = tl_listen(lane, &options, &listener);
  if (out != nullptr) *out = listener;
  return result;
}

struct Dialing {
  const char* peer = kPeer;
  uint16_t port = 5000;
  uint32_t affinity = TL_ANY_WORKER;
  uint16_t local_port = 0;
  uint64_t user = 0;
  const char* profile = nullptr;
  std::vector<const char*> local = {};
};
inline int dial(tl_lane* lane, tl_assoc* out, const Dialing& how = {}) {
  tl_address address{};
  if (const int error = tl_address_parse(how.peer, &address); error != 0) return error;
  tl_connect_options options{};
  options.addresses = &address;
  options.address_count = 1;
  options.peer_port = how.port;
  options.local_port = how.local_port;
  options.affinity = how.affinity;
  options.user = how.user;
  options.profile = how.profile;
  const std::vector<tl_address> local = addresses_of(how.local);
  options.local_addresses = local.data();
  options.local_count = local.size();
  return tl_connect(lane, &options, out);
}

inline tl_message message_of(std::string_view text, uint16_t stream = 0, uint16_t flags = 0,
                             uint64_t context = 0) {
  tl_message message{};
  message.data = text.data();
  message.length = static_cast<uint32_t>(text.size());
  message.stream = stream;
  message.flags = flags;
  message.ppid = 46;
  message.context = context;
  return message;
}
// One with a limit: `flags` has one of TL_SEND_LIFETIME and its like.
inline tl_message limited_of(std::string_view text, uint16_t flags, uint32_t limit) {
  tl_message message = message_of(text, 0, flags);
  message.limit = limit;
  return message;
}
inline int send_text(tl_lane* lane, tl_assoc assoc, std::string_view text, uint16_t stream = 0,
                     uint16_t flags = 0, uint64_t context = 0) {
  const tl_message message = message_of(text, stream, flags, context);
  return tl_send(lane, assoc, &message);
}

// The payload of an event, copied.
inline std::string text_of(const tl_lane* lane, const tl_event& event) {
  std::string text(event.data != nullptr ? event.length : 0, '?');
  if (!text.empty()) tl_event_copy(lane, &event, text.data(), text.size());
  return text;
}

}  // namespace trunkline::test
