// SPDX-License-Identifier: BSD-3-Clause
// What an association remembers for its user or an extension, and most have no use for: a block
// from the shard's pool, at its first use. Who uses nothing of it has none, and pays four bytes.
#pragma once

namespace trunkline {

struct ExtensionState {};

}  // namespace trunkline
