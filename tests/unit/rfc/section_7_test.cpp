// SPDX-License-Identifier: BSD-3-Clause
// Rules of RFC 9260, section 7, that no part's own tests prove.
#include "support/pair.h"
