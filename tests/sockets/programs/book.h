// SPDX-License-Identifier: BSD-3-Clause
// What the programs of chapters 7 to 11 of the book have in common.
#ifndef TRUNKLINE_BOOK_H
#define TRUNKLINE_BOOK_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/sctp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { kMessages = 5, kBacklog = 10, kBuffer = 1024, kAddresses = 4 };

static inline void must(bool done, const char* what) {
  if (!done) {
    perror(what);
    exit(1);
  }
}

static inline struct sockaddr_in address_of(const char* text, const char* port) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  address.sin_port = htons((uint16_t)atoi(port));
  must(inet_pton(AF_INET, text, &address.sin_addr) == 1, text);
  return address;
}

// The addresses of the words, all with one port; sctp_bindx() and sctp_connectx() take them as they
// are, one behind the other.
static inline int addresses_of(struct sockaddr_in* addresses, const char* port, char** words,
                               int count) {
  must(count > 0 && count <= kAddresses, "addresses");
  for (int i = 0; i < count; i++) {
    addresses[i] = address_of(words[i], port);
  }
  return count;
}

static inline const char* text_of(const struct sockaddr_in* address, char text[INET_ADDRSTRLEN]) {
  return inet_ntop(AF_INET, &address->sin_addr, text, INET_ADDRSTRLEN);
}

// A one-to-many socket that is bound to those addresses and listens.
static inline int listen_to_many(const char* port, char** words, int count) {
  struct sockaddr_in addresses[kAddresses];
  addresses_of(addresses, port, words, count);
  const int server = socket(AF_INET, SOCK_SEQPACKET, IPPROTO_SCTP);
  must(server >= 0, "socket");
  must(sctp_bindx(server, (struct sockaddr*)addresses, count, SCTP_BINDX_ADD_ADDR) == 0,
       "sctp_bindx");
  must(listen(server, kBacklog) == 0, "listen");
  return server;
}

static inline void turn_on(int socket, int option, const char* name) {
  const int on = 1;
  must(setsockopt(socket, IPPROTO_SCTP, option, &on, sizeof(on)) == 0, name);
}

static inline void subscribe(int socket, uint16_t type) {
  const struct sctp_event event = {.se_assoc_id = SCTP_FUTURE_ASSOC, .se_type = type, .se_on = 1};
  must(setsockopt(socket, IPPROTO_SCTP, SCTP_EVENT, &event, sizeof(event)) == 0, "SCTP_EVENT");
}

#endif
