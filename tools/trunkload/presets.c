// SPDX-License-Identifier: BSD-3-Clause
// See presets.h. Sizes are of what an SCTP user message holds, computed from the encodings.
#include "presets.h"

#include <stddef.h>
#include <string.h>

// Per call, half of them released by either side.
// Up: IAM 84, REL 48, RLC 44. Down: ACM 52, ANM 48, REL 48, RLC 44.
static const char kIsupUp[] = "84:2,48:1,44:1";
static const char kIsupDown[] = "52:2,48:3,44:1";

// Up: updateLocation 156, its acknowledgements of insertSubscriberData 92 (two), two
// sendAuthenticationInfo 136, three mo-forwardSM 220. Down: what answers them.
static const char kMapUp[] = "156:1,92:2,136:2,220:3";
static const char kMapDown[] = "148:1,272:2,220:2,132:3";

// One attach. Up: Initial UE Message 152, Uplink NAS Transport (authentication response 60,
// security mode complete 68, attach complete 64), Initial Context Setup Response 44, UE Capability
// Info Indication 180. Down: Downlink NAS Transport (authentication request 64, security mode
// command 44), Initial Context Setup Request 244.
static const char kAttachUp[] = "152,60,68,64,44,180";
static const char kAttachDown[] = "64,44,244";

// S6a. Up: AIR 416, ULR 460. Down: AIA 404, ULA 828.
static const char kDiameterUp[] = "416,460";
static const char kDiameterDown[] = "404,828";

static const Preset kPresets[] = {
    {"m3ua-isup", kIsupUp, kIsupDown, 3},
    {"m3ua-map", kMapUp, kMapDown, 3},
    {"s1ap-attach", kAttachUp, kAttachDown, 18},
    {"diameter", kDiameterUp, kDiameterDown, 46},
};

const Preset* preset_named(const char* name) {
  for (size_t i = 0; i < sizeof(kPresets) / sizeof(kPresets[0]); i++) {
    if (strcmp(name, kPresets[i].name) == 0) {
      return &kPresets[i];
    }
  }
  return NULL;
}
