// SPDX-License-Identifier: BSD-3-Clause
// Constants of the book's first exchange (chapter 6): five messages, each answered with "OK".
#ifndef TRUNKLINE_BOOK_H
#define TRUNKLINE_BOOK_H

enum { kBookPort = 4444, kBookMessages = 5, kBookBuffer = 1024 };

#endif
