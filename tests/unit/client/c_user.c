/* SPDX-License-Identifier: BSD-3-Clause
 * The public headers from plain C11, with the project's warnings as errors. */
#include "trunkline/ring_abi.h"
#include "trunkline/trunkline.h"

int trunkline_c_user(void);

int trunkline_c_user(void) {
  tl_address address;
  tl_options options = {0};
  tl_client* client = NULL;
  options.name = "c";
  if (tl_address_parse("192.0.2.1", &address) != 0) return 1;
  if (tl_attach("/nonexistent/socket", &options, &client) >= 0) return 2;
  return sizeof(tlr_submission) == 32 ? 0 : 3;
}
