// SPDX-License-Identifier: BSD-3-Clause
// Timers and limits of an association, or of one of the peer's addresses, as a client asks for them
// (RFC 6458 sections 8.1.1, 8.1.2, 8.1.12, 8.1.19): the stack judges them as it judges the
// configuration; what would be hard on the network, the operator bounds.
#include <algorithm>
#include <cstring>
#include <string_view>

#include "appring/bridge.h"

namespace trunkline::appring {
namespace {

using std::chrono::milliseconds;

constexpr uint32_t kOfAddress =
    TLR_TIMER_HEARTBEAT | TLR_TIMER_PATH_MAX_RETRANS | TLR_TIMER_POTENTIALLY_FAILED;
constexpr uint32_t kAll = TLR_TIMER_RTO_INITIAL | TLR_TIMER_RTO_MIN | TLR_TIMER_RTO_MAX |
                          TLR_TIMER_SACK_DELAY | TLR_TIMER_SACK_FREQUENCY |
                          TLR_TIMER_ASSOCIATION_MAX_RETRANS | kOfAddress;

template <typename T, typename Value>
void take(const tlr_timers_body& body, tlr_timer which, std::optional<T>& field, Value value) {
  if ((body.fields & which) != 0) field = T(value);
}

ProfileEdit edit_of(const tlr_timers_body& body) {
  ProfileEdit out;
  take(body, TLR_TIMER_RTO_INITIAL, out.rto_initial, milliseconds(body.rto_initial_ms));
  take(body, TLR_TIMER_RTO_MIN, out.rto_min, milliseconds(body.rto_min_ms));
  take(body, TLR_TIMER_RTO_MAX, out.rto_max, milliseconds(body.rto_max_ms));
  take(body, TLR_TIMER_SACK_DELAY, out.sack_delay, milliseconds(body.sack_delay_ms));
  // What does not fit is out of the range, too.
  take(body, TLR_TIMER_SACK_FREQUENCY, out.sack_frequency,
       static_cast<uint8_t>(body.sack_frequency <= UINT8_MAX ? body.sack_frequency : 0));
  take(body, TLR_TIMER_ASSOCIATION_MAX_RETRANS, out.association_max_retrans,
       body.association_max_retrans);
  take(body, TLR_TIMER_HEARTBEAT, out.heartbeat_interval, milliseconds(body.heartbeat_ms));
  take(body, TLR_TIMER_PATH_MAX_RETRANS, out.path_max_retrans, body.path_max_retrans);
  take(body, TLR_TIMER_POTENTIALLY_FAILED, out.potentially_failed_max_retrans,
       body.potentially_failed_max_retrans);
  return out;
}

uint32_t in_ms(Duration duration) {
  return static_cast<uint32_t>(std::chrono::ceil<milliseconds>(duration).count());
}

void fill(const Profile& profile, tlr_timers_body& body) {
  body.fields = kAll;
  body.rto_initial_ms = in_ms(profile.rto_initial);
  body.rto_min_ms = in_ms(profile.rto_min);
  body.rto_max_ms = in_ms(profile.rto_max);
  body.sack_delay_ms = in_ms(profile.sack_delay);
  body.heartbeat_ms = in_ms(profile.heartbeat_interval);
  body.sack_frequency = profile.sack_frequency;
  body.association_max_retrans = profile.association_max_retrans;
  body.path_max_retrans = profile.path_max_retrans;
  body.potentially_failed_max_retrans = profile.potentially_failed_max_retrans;
}

void say(const ProfileFault& fault, tlr_timers_body& body) {
  size_t at = 0;
  for (const std::string_view part : {fault.field, std::string_view(" "), fault.what}) {
    const size_t n = std::min(part.size(), sizeof(body.fault) - 1 - at);
    std::memcpy(body.fault + at, part.data(), n);
    at += n;
  }
  body.fault[at] = 0;
}

// Shorter than the operator grants to clients, and shorter than it is.
bool too_short(const std::optional<Duration>& wanted, Duration present, Duration least) {
  return wanted && *wanted < least && *wanted < present;
}

}  // namespace

ProfileFault Bridge::beyond_grant(const ProfileEdit& edit, const Profile& present) const {
  constexpr std::string_view kWhat = "is below what the daemon grants to clients";
  if (too_short(edit.rto_initial, present.rto_initial, config_.least_rto)) {
    return {"rto_initial", kWhat};
  }
  if (too_short(edit.rto_min, present.rto_min, config_.least_rto)) return {"rto_min", kWhat};
  if (too_short(edit.rto_max, present.rto_max, config_.least_rto)) return {"rto_max", kWhat};
  // Zero is none at all, and none at present is the longest.
  const Duration none{};
  const Duration interval = present.heartbeat_interval;
  if (edit.heartbeat_interval != none &&
      too_short(edit.heartbeat_interval, interval != none ? interval : Duration::max(),
                config_.least_heartbeat_interval)) {
    return {"heartbeat_interval", kWhat};
  }
  return {};
}

uint8_t Bridge::set_timers(TimePoint now, AssocId assoc, const IpAddress& address,
                           tlr_timers_body& body) {
  const bool whole = address.is_none();
  const Profile* const present =
      whole ? shard_.profile(assoc) : shard_.path_profile(assoc, address);
  if (present == nullptr) {
    return refuse(RingCounter::k_refuse_operation, TLR_STATUS_INVALID_ADDRESS);
  }
  const uint32_t known = whole ? kAll : kOfAddress;
  if ((body.fields & ~known) != 0) {
    say({"fields", "has a bit that is unknown, or none of an address"}, body);
    return refuse(RingCounter::k_refuse_bad_body, TLR_STATUS_INVALID_VALUE);
  }
  const ProfileEdit edit = edit_of(body);
  EditResult result{Status::kInvalidValue, beyond_grant(edit, *present)};
  if (!result.fault) {
    result = whole ? shard_.set_profile(now, assoc, edit)
                   : shard_.set_path_profile(now, assoc, address, PathEdit::of(edit));
  }
  if (result.status == Status::kOk) return TLR_STATUS_OK;
  if (result.fault) say(result.fault, body);
  return refuse(RingCounter::k_refuse_operation, wire_status(result.status));
}

// The answer lies where the question was: a client that changes it meanwhile fools itself.
uint8_t Bridge::handle_timers(TimePoint now, Channel& channel, const Assoc& assoc,
                              const tlr_submission& submission) {
  if (submission.length != sizeof(tlr_timers_body)) {
    return refuse(RingCounter::k_refuse_bad_length, TLR_STATUS_BAD_DESCRIPTOR);
  }
  uint8_t* const at = channel.tx_data(submission.slot);
  auto body = copy_once<tlr_timers_body>(at);
  const IpAddress address = address_from_wire(body.address);
  if (address.is_none() && body.address.family != 0) {
    return refuse(RingCounter::k_refuse_bad_body, TLR_STATUS_INVALID_ADDRESS);
  }
  body.fault[0] = 0;
  uint8_t status = TLR_STATUS_OK;
  if (submission.op == TLR_OP_SET_OPTION) {
    status = set_timers(now, assoc.id, address, body);
  } else if (const Profile* const present = address.is_none()
                                                ? shard_.profile(assoc.id)
                                                : shard_.path_profile(assoc.id, address)) {
    fill(*present, body);
  } else {
    status = refuse(RingCounter::k_refuse_operation, TLR_STATUS_INVALID_ADDRESS);
  }
  std::memcpy(at, &body, sizeof(body));
  return status;
}

}  // namespace trunkline::appring
