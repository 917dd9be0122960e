// SPDX-License-Identifier: BSD-3-Clause
#include "ancillary.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace trunkline::sctp {
namespace {

constexpr uint32_t kKnownFlags = SCTP_UNORDERED | SCTP_ADDR_OVER | SCTP_SACK_IMMEDIATELY |
                                 SCTP_SENDALL | SCTP_PR_SCTP_MASK | SCTP_ABORT | SCTP_EOF;

// Of a header of that type; 0: any.
size_t expected_size(int type) {
  switch (type) {
    case SCTP_INIT:
      return sizeof(sctp_initmsg);
    case SCTP_SNDRCV:
      return sizeof(sctp_sndrcvinfo);
    case SCTP_SNDINFO:
      return sizeof(sctp_sndinfo);
    case SCTP_PRINFO:
      return sizeof(sctp_prinfo);
    case SCTP_AUTHINFO:
      return sizeof(sctp_authinfo);
    default:
      return 0;
  }
}

long take(int type, const uint8_t* data, SendControl& out) {
  if (type == SCTP_SNDRCV) {
    std::memcpy(&out.info, data, sizeof(out.info));
    out.has_sndrcv = true;
  } else if (type == SCTP_SNDINFO) {
    sctp_sndinfo info;
    std::memcpy(&info, data, sizeof(info));
    out.info.sinfo_stream = info.snd_sid;
    out.info.sinfo_flags = info.snd_flags;
    out.info.sinfo_ppid = info.snd_ppid;
    out.info.sinfo_context = info.snd_context;
    out.info.sinfo_assoc_id = info.snd_assoc_id;
    out.has_sndinfo = true;
  } else if (type == SCTP_INIT) {
    std::memcpy(&out.init, data, sizeof(out.init));
    out.has_init = true;
  } else if (type == SCTP_PRINFO) {
    sctp_prinfo& info = out.prinfo;
    std::memcpy(&info, data, sizeof(info));
    if ((info.pr_policy & ~SCTP_PR_SCTP_MASK) != 0) return -EINVAL;
    if (info.pr_policy == SCTP_PR_SCTP_NONE) info.pr_value = 0;
    out.has_prinfo = true;
  }
  return (out.info.sinfo_flags & ~kKnownFlags) != 0 ? -EINVAL : 0;
}

void take_address(int type, const uint8_t* data, size_t size, SendControl& out) {
  const bool v4 = type == SCTP_DSTADDRV4;
  const size_t length = v4 ? sizeof(in_addr) : sizeof(in6_addr);
  if (size < length) out.short_address = true;
  if (size < length || out.address_count == SendControl::kMostAddresses) return;
  SendControl::Address& address = out.addresses[out.address_count++];
  address.family = v4 ? AF_INET : AF_INET6;
  std::memcpy(address.bytes, data, length);
}

}  // namespace

long parse_control(const uint8_t* data, size_t size, SendControl& out) {
  size_t at = 0;
  while (size - at >= sizeof(cmsghdr)) {
    cmsghdr header;
    std::memcpy(&header, data + at, sizeof(header));
    if (header.cmsg_len < sizeof(header) || header.cmsg_len > size - at) return -EINVAL;
    if (header.cmsg_level == IPPROTO_SCTP) {
      const size_t expected = expected_size(header.cmsg_type);
      if (expected != 0) {
        if (header.cmsg_len != CMSG_LEN(expected)) return -EINVAL;
        const long error = take(header.cmsg_type, data + at + CMSG_LEN(0), out);
        if (error != 0) return error;
      } else if (header.cmsg_type == SCTP_DSTADDRV4 || header.cmsg_type == SCTP_DSTADDRV6) {
        take_address(header.cmsg_type, data + at + CMSG_LEN(0), header.cmsg_len - CMSG_LEN(0), out);
      } else {
        return -EINVAL;
      }
    }
    const size_t step = CMSG_ALIGN(header.cmsg_len);
    if (step >= size - at) break;
    at += step;
  }
  return 0;
}

void ControlWriter::put(int type, const void* data, size_t size) {
  const size_t left = room_ - written_;
  if (left < sizeof(cmsghdr)) {
    truncated_ = true;
    return;
  }
  size_t length = CMSG_LEN(size);
  if (length > left) {
    truncated_ = true;
    length = left;
  }
  cmsghdr header{};
  header.cmsg_level = IPPROTO_SCTP;
  header.cmsg_type = type;
  header.cmsg_len = length;
  std::memset(to_ + written_, 0, std::min(CMSG_SPACE(size), left));
  std::memcpy(to_ + written_, &header, sizeof(header));
  std::memcpy(to_ + written_ + CMSG_LEN(0), data, length - CMSG_LEN(0));
  written_ += std::min(CMSG_SPACE(size), left);
}

}  // namespace trunkline::sctp
