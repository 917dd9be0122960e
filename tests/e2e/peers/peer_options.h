// SPDX-License-Identifier: BSD-3-Clause
// The command line that all test peers share.
#ifndef TRUNKLINE_PEER_OPTIONS_H
#define TRUNKLINE_PEER_OPTIONS_H

#include "peer_common.h"

// Fills options; -1 after a message on stderr.
int options_parse(int argc, char** argv, struct Options* options);

#endif
