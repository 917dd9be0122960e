// SPDX-License-Identifier: BSD-3-Clause
// ABORT and ERROR chunks of an association, as ready-made packets. Templates, because the causes
// are written by whoever knows them; included by the handlers' files only.
#pragma once

#include <utility>

#include "assoc/context.h"
#include "assoc/packet_frame.h"
#include "wire/abort_chunk.h"
#include "wire/cause.h"
#include "wire/error_chunk.h"

namespace trunkline {

// Writes one packet into the reply queue: `write` adds its chunks and says whether they fit.
// `limit` is the largest SCTP packet that the path takes.
template <typename Write>
bool queue_reply(ShardContext& ctx, const IpAddress& source, const IpAddress& destination,
                 const PacketHead& head, uint8_t dscp, size_t limit, Write&& write) {
  Reply* const reply = ctx.replies.reserve();
  if (reply == nullptr) {
    ctx.counters.add(Counter::k_drop_reply_queue_full);
    return false;
  }
  PacketFrame frame(reply->bytes, limit, head);
  if (!write(frame.writer()) || frame.empty()) return false;
  reply->source = source;
  reply->destination = destination;
  reply->dscp = dscp;
  reply->fragment_size = 0;
  reply->length = frame.finish(false);
  ctx.replies.commit();
  return true;
}

// A packet of this association that must not wait for its turn, by a path; `source` is the path's
// own address, or the one that a question came to.
template <typename Write>
bool Association::queue_packet(ShardContext& ctx, const IpAddress& source, const Path& path,
                               Write&& write) {
  return queue_reply(ctx, source, path.remote, head(), profile_of(ctx, path).dscp,
                     path.packet_size(), write);
}

// An answer to a packet that is not of this association, or not yet: back to where it came from.
template <typename Write>
bool Association::queue_answer(ShardContext& ctx, const InboundPacket& packet, VerificationTag tag,
                               Write&& write) {
  return queue_reply(ctx, packet.destination, packet.source, head(tag), profile_->dscp,
                     paths_.primary().packet_size(), write);
}

template <typename Append>
void Association::abort_with(ShardContext& ctx, Reason reason, wire::CauseCode code,
                             Append&& append) {
  if (dead_) return;
  const Path& path = paths_.data_path();
  // Without the peer's tag there is nobody to tell (section 8.5.1 B).
  if (state_ != AssocState::kCookieWait) {
    queue_packet(ctx, path.local, path, [&](wire::PacketWriter& writer) {
      return wire::begin_abort(writer, false) && append(writer) && writer.end_chunk();
    });
  }
  end_with_abort(ctx, reason, static_cast<uint16_t>(code));
}

// With the other answers to the packet at hand: see flush_answers().
template <typename Append>
void Association::report_error(ShardContext& ctx, Append&& append) {
  wire::PacketWriter& writer = ctx.answers.writer(paths_.primary().packet_size());
  if (!wire::begin_error(writer)) return;
  if (!append(writer) || !writer.end_chunk()) writer.cancel_chunk();
}

}  // namespace trunkline
