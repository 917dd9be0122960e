// SPDX-License-Identifier: BSD-3-Clause
// Names of the chunk types: RFC 9260 section 3.2, table 1, and those of extensions.
#include "wire/chunk.h"

namespace trunkline::wire {

std::string_view chunk_name(ChunkType type) {
  switch (type) {
    case ChunkType::kData:
      return "DATA";
    case ChunkType::kInit:
      return "INIT";
    case ChunkType::kInitAck:
      return "INIT ACK";
    case ChunkType::kSack:
      return "SACK";
    case ChunkType::kHeartbeat:
      return "HEARTBEAT";
    case ChunkType::kHeartbeatAck:
      return "HEARTBEAT ACK";
    case ChunkType::kAbort:
      return "ABORT";
    case ChunkType::kShutdown:
      return "SHUTDOWN";
    case ChunkType::kShutdownAck:
      return "SHUTDOWN ACK";
    case ChunkType::kError:
      return "ERROR";
    case ChunkType::kCookieEcho:
      return "COOKIE ECHO";
    case ChunkType::kCookieAck:
      return "COOKIE ACK";
    case ChunkType::kEcne:
      return "ECNE";
    case ChunkType::kCwr:
      return "CWR";
    case ChunkType::kShutdownComplete:
      return "SHUTDOWN COMPLETE";
    case ChunkType::kAuth:
      return "AUTH";
    case ChunkType::kIData:
      return "I-DATA";
    case ChunkType::kAsconfAck:
      return "ASCONF-ACK";
    case ChunkType::kReconfig:
      return "RE-CONFIG";
    case ChunkType::kPad:
      return "PAD";
    case ChunkType::kForwardTsn:
      return "FORWARD-TSN";
    case ChunkType::kAsconf:
      return "ASCONF";
    case ChunkType::kIForwardTsn:
      return "I-FORWARD-TSN";
  }
  return "unknown";
}

}  // namespace trunkline::wire
