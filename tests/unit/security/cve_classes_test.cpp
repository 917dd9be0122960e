// SPDX-License-Identifier: BSD-3-Clause
#include "support/pair.h"
