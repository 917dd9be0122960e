// SPDX-License-Identifier: BSD-3-Clause
// The attach socket: who is let in and with what, what is refused and in which words, clients that
// are killed, hosts of junk, and daemons that find an old socket.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "appring/permissions.h"
#include "mini_daemon.h"

namespace trunkline::test {
namespace {

using appring::AttachConfig;
using appring::Grant;
using appring::Permission;
using appring::RingCounter;

// ---------------------------------------------------------------- permissions and sizes

TEST(Permissions, SumOfWhatMatches) {
  const std::vector<Permission> permissions = {
      {1000, std::nullopt, {{2905, 2905}}, false},
      {std::nullopt, 500, {{3868, 3870}}, true},
      {1000, 600, {{1, 65535}}, true},
  };
  EXPECT_FALSE(appring::rights_of(permissions, {1, 2000, 2000, {}}).has_value());
  auto rights = appring::rights_of(permissions, {1, 1000, 1000, {}});
  ASSERT_TRUE(rights.has_value());
  EXPECT_TRUE(rights->may_use(2905));
  EXPECT_FALSE(rights->may_use(2904));
  EXPECT_FALSE(rights->may_use(3868));
  EXPECT_FALSE(rights->connect_from_any);
  rights = appring::rights_of(permissions, {1, 1000, 1000, {7, 500}});  // supplementary group
  ASSERT_TRUE(rights.has_value());
  EXPECT_TRUE(rights->may_use(2905));
  EXPECT_TRUE(rights->may_use(3870));
  EXPECT_FALSE(rights->may_use(3871));
  EXPECT_TRUE(rights->connect_from_any);
  rights = appring::rights_of(permissions, {1, 1000, 600, {}});  // both conditions of one entry
  EXPECT_TRUE(rights->may_use(9));
  EXPECT_TRUE(appring::rights_of({{Permission{}}}, {1, 9, 9, {}}).has_value());  // everybody
}

// ---------------------------------------------------------------- places

class PlacesTest : public ::testing::Test {
 protected:
  using Who = appring::PeerCredentials;
  // How many more clients of `who` come in when `most` is the maximum of all.
  uint32_t fill(const Who& who, uint32_t most) {
    uint32_t taken = 0;
    while (attached.size() < most) {
      if (attached.size() + appring::kept_for_others(permissions, attached, who) >= most) break;
      attached.push_back({who.uid, appring::names_matching(permissions, who)});
      ++taken;
    }
    return taken;
  }

  std::vector<Permission> permissions = {
      {1000, std::nullopt, {{1, 10}}, false},
      {1000, std::nullopt, {{20, 30}}, false},  // a second rule is not a second name
      {1001, std::nullopt, {{1, 10}}, false},
      {std::nullopt, 500, {{1, 10}}, false},
  };
  std::vector<appring::SlotUse> attached;
  const Who hog{1, 1000, 1000, {}};
  const Who other{2, 1001, 1001, {}};
  const Who member{3, 2000, 2000, {500}};
};

TEST_F(PlacesTest, OneUserLeavesAPlaceForEachOtherThatIsNamed) {
  EXPECT_EQ(fill(hog, 64), 62U);
  EXPECT_EQ(fill(other, 64), 1U);  // its own; the last one is the group's
  EXPECT_EQ(fill(member, 64), 1U);
  EXPECT_EQ(fill(hog, 64), 0U);
}

TEST_F(PlacesTest, WhoHasAPlaceIsKeptNone) {
  EXPECT_EQ(fill(other, 1), 1U);
  EXPECT_EQ(fill(member, 2), 1U);
  EXPECT_EQ(fill(hog, 64), 62U);
  EXPECT_EQ(attached.size(), 64U);
  // The place of one that has left is kept for it.
  attached.erase(attached.begin());
  EXPECT_EQ(fill(hog, 64), 0U);
  EXPECT_EQ(fill(other, 64), 1U);
}

// Of a group, one user leaves a place to the others; its own clients are not theirs.
TEST_F(PlacesTest, TheUsersOfAGroupShareItsPlace) {
  permissions = {{std::nullopt, 500, {{1, 10}}, false}};
  EXPECT_EQ(fill(member, 8), 7U);
  const Who second{4, 2001, 2001, {500}};
  EXPECT_EQ(fill(second, 8), 1U);
}

TEST_F(PlacesTest, WithFewerPlacesThanNamesWhoComesFirstIsServed) {
  EXPECT_EQ(fill(hog, 1), 1U);
  attached.clear();
  EXPECT_EQ(fill(hog, 2), 1U);
  EXPECT_EQ(fill(member, 2), 1U);
  EXPECT_EQ(fill(other, 2), 0U);
}

TEST_F(PlacesTest, EverybodyIsNoName) {
  permissions = {Permission{}};
  EXPECT_EQ(fill(hog, 64), 64U);
}

// ---------------------------------------------------------------- sizes

TEST(Grants, DefaultsPassTheLargestMessage) {
  AttachConfig config;
  config.max_message_size = 256 * 1024;
  const Grant granted = appring::grant({}, config, 2);
  EXPECT_EQ(granted.error, "");
  const tlr_geometry& g = granted.geometry;
  EXPECT_EQ(tlr_geometry_valid(&g), 1);
  EXPECT_EQ(g.lanes, 1U);
  EXPECT_EQ(g.workers, 2U);
  EXPECT_EQ(g.submission_size, 1024U);
  EXPECT_EQ(g.tx_slots, 4096U);
  EXPECT_GE(uint64_t{g.send_credit} * g.slot_size, 256U * 1024U);
  EXPECT_GE(uint64_t{g.rx_slots} * g.slot_size, 256U * 1024U);
  EXPECT_GE(g.max_operations, g.tx_slots);  // every slot may be a message on its way
}

TEST(Grants, RequestsAreMadeRegularAndCutDown) {
  AttachConfig config;
  config.max_message_size = 1000;
  config.limits.max_slots = 100;
  tlr_attach_request request{};
  request.submission_size = 1000;
  request.completion_size = 0xffffffff;
  request.tx_slots = 0xffffffff;
  request.rx_slots = 1;
  request.slot_size = 600;
  const Grant granted = appring::grant(request, config, 1);
  EXPECT_EQ(granted.error, "");
  const tlr_geometry& g = granted.geometry;
  EXPECT_EQ(tlr_geometry_valid(&g), 1);
  EXPECT_EQ(g.submission_size, 1024U);
  EXPECT_EQ(g.completion_size, 65536U);
  EXPECT_EQ(g.tx_slots, 100U);
  EXPECT_EQ(g.rx_slots, 2U);  // 1000 bytes in slots of 640
  EXPECT_EQ(g.slot_size, 640U);
  EXPECT_GT(granted.bytes, tlr_segment_size(&g));
}

TEST(Grants, ImpossibleRequestsSayWhatWouldBePossible) {
  AttachConfig config;
  config.limits.max_lanes = 4;
  tlr_attach_request request{};
  request.lanes = 5;
  EXPECT_NE(appring::grant(request, config, 1).error.find("grants 4"), std::string::npos);
  request.lanes = 0;
  config.limits.max_slots = 10;
  EXPECT_NE(appring::grant(request, config, 1).error.find("larger slots"), std::string::npos);
}

// Whatever is asked, the answer is an error or a valid geometry.
TEST(Grants, AnyRequestGetsAValidAnswer) {
  AttachConfig config;
  const uint32_t kValues[] = {0,    1,     2,     3,       16,         63,         64,        511,
                              4096, 65535, 65536, 1000000, 0x7fffffff, 0x80000000, 0xffffffff};
  for (const uint32_t a : kValues) {
    for (const uint32_t b : kValues) {
      tlr_attach_request request{};
      request.lanes = a % 20;
      request.submission_size = b;
      request.completion_size = a;
      request.tx_slots = b;
      request.rx_slots = a;
      request.slot_size = b;
      const Grant granted = appring::grant(request, config, 1 + a % 64);
      if (granted.error.empty()) {
        ASSERT_EQ(tlr_geometry_valid(&granted.geometry), 1) << a << " " << b;
      }
    }
  }
}

// ---------------------------------------------------------------- the socket

class AttachTest : public ::testing::Test {
 protected:
  AttachTest() : config(attach_config(dir.file("sock"))) {
    config.limits.handshake_timeout = std::chrono::milliseconds(60'000);
  }
  int try_attach(tl_client** client, const tl_options* options = nullptr) {
    return tl_attach(config.socket_path.c_str(), options, client);
  }
  // Attaches and detaches again; the error.
  int probe(const tl_options* options = nullptr) {
    tl_client* client = nullptr;
    const int error = try_attach(&client, options);
    tl_detach(client);
    return error;
  }
  int raw_socket() const {
    const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    strncpy(address.sun_path, config.socket_path.c_str(), sizeof(address.sun_path) - 1);
    EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    return fd;
  }

  TempDir dir;
  AttachConfig config;
};

TEST_F(AttachTest, AttachesAndDetaches) {
  MiniDaemon daemon(config);
  daemon.start();
  tl_client* client = nullptr;
  tl_options options{};
  options.name = "first";
  options.lanes = 3;
  ASSERT_EQ(try_attach(&client, &options), 0) << tl_last_error();
  tl_limits limits{};
  tl_limits_of(client, &limits);
  EXPECT_EQ(limits.lanes, 3U);
  EXPECT_EQ(limits.workers, 1U);
  daemon.pause();
  const auto clients = daemon.server->clients();
  ASSERT_EQ(clients.size(), 1U);
  EXPECT_EQ(clients[0].name, "first");
  EXPECT_EQ(clients[0].pid, getpid());
  EXPECT_EQ(clients[0].uid, geteuid());
  tl_detach(client);
  EXPECT_TRUE(daemon.turn_until([&] { return daemon.server->clients().empty(); }));
  EXPECT_EQ(daemon.server->counters().attached, 1U);
  EXPECT_EQ(daemon.server->counters().detached, 1U);
  EXPECT_EQ(daemon.bridges[0]->counters().get(RingCounter::k_ring_clients_removed), 1U);
}

TEST_F(AttachTest, SocketHasItsModeAndGoesWithTheDaemon) {
  config.socket_mode = 0620;
  {
    MiniDaemon daemon(config);
    struct stat info {};
    ASSERT_EQ(stat(config.socket_path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0620U);
    // A second daemon does not steal it.
    EXPECT_THROW(MiniDaemon other(config), std::runtime_error);
    ASSERT_EQ(stat(config.socket_path.c_str(), &info), 0);
  }
  EXPECT_EQ(access(config.socket_path.c_str(), F_OK), -1);
}

TEST_F(AttachTest, AnOldSocketIsReplacedAndOtherFilesAreNot) {
  const int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  strncpy(address.sun_path, config.socket_path.c_str(), sizeof(address.sun_path) - 1);
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  close(fd);  // the file stays, as after SIGKILL
  { MiniDaemon daemon(config); }
  close(open(config.socket_path.c_str(), O_CREAT | O_WRONLY, 0600));
  EXPECT_THROW(MiniDaemon daemon(config), std::runtime_error);
  EXPECT_EQ(access(config.socket_path.c_str(), F_OK), 0);
  config.socket_path = dir.file(std::string(200, 'x').c_str());
  EXPECT_THROW(MiniDaemon daemon(config), std::runtime_error);
}

TEST_F(AttachTest, WithoutPermissionNobodyComesIn) {
  config.permissions = {{geteuid() + 1, std::nullopt, {{1, 65535}}, true}};
  MiniDaemon daemon(config);
  daemon.start();
  EXPECT_EQ(probe(), -EACCES);
  EXPECT_NE(std::string(tl_last_error()).find("uid " + std::to_string(geteuid())),
            std::string::npos)
      << tl_last_error();
  daemon.pause();
  EXPECT_EQ(daemon.server->counters().refused_permission, 1U);
}

TEST_F(AttachTest, LimitsOfClientsLanesAndBytes) {
  config.limits.max_clients = 1;
  MiniDaemon daemon(config);
  daemon.start();
  tl_client* client = nullptr;
  ASSERT_EQ(try_attach(&client), 0);
  EXPECT_EQ(probe(), -EUSERS);
  tl_detach(client);
  tl_options options{};
  options.lanes = 17;
  // The place of the one that left may be taken a moment later.
  int error = 0;
  while ((error = probe(&options)) == -EUSERS) std::this_thread::yield();
  EXPECT_EQ(error, -EINVAL);
  EXPECT_NE(std::string(tl_last_error()).find("17 lanes"), std::string::npos);
  daemon.stop();

  config.limits.max_clients = 4;
  config.limits.max_client_bytes = 1 << 20;
  MiniDaemon small(config);
  small.start();
  EXPECT_EQ(probe(), -ENOMEM);
  options = {};
  options.tx_slots = 64;
  options.rx_slots = 64;
  options.completion_size = 128;
  EXPECT_EQ(probe(&options), 0) << tl_last_error();
}

// A daemon with four places, two of them for users that are not there.
TEST_F(AttachTest, OneUserDoesNotTakeAllPlaces) {
  config.limits.max_clients = 4;
  config.permissions.push_back({getuid() + 1, std::nullopt, {{1, 10}}, false});
  config.permissions.push_back({std::nullopt, 54'321, {{1, 10}}, false});
  MiniDaemon daemon(config);
  daemon.start();
  std::array<tl_client*, 2> clients{};
  for (tl_client*& client : clients) ASSERT_EQ(try_attach(&client), 0) << tl_last_error();
  EXPECT_EQ(probe(), -EUSERS);
  EXPECT_NE(std::string(tl_last_error()).find("kept for others"), std::string::npos)
      << tl_last_error();
  daemon.pause();
  EXPECT_EQ(daemon.server->counters().refused_share, 1U);
  for (tl_client* client : clients) tl_detach(client);
  daemon.stop();

  config.limits.max_clients_per_uid = 3;  // as the operator wants
  MiniDaemon told(config);
  told.start();
  std::array<tl_client*, 3> more{};
  for (tl_client*& client : more) ASSERT_EQ(try_attach(&client), 0) << tl_last_error();
  EXPECT_EQ(probe(), -EUSERS);
  EXPECT_NE(std::string(tl_last_error()).find("may have no more"), std::string::npos);
  for (tl_client* client : more) tl_detach(client);
}

// Nor all the memory, with places left.
TEST_F(AttachTest, OneUserDoesNotTakeAllMemory) {
  tl_options options{};
  options.tx_slots = 64;
  options.rx_slots = 64;
  options.completion_size = 128;
  tlr_attach_request request{};
  request.tx_slots = request.rx_slots = 64;
  request.completion_size = 128;
  const uint64_t each = appring::grant(request, config, 1).bytes;
  config.limits.max_clients = 4;
  config.limits.max_total_bytes = 4 * each + each / 2;
  config.permissions.push_back({getuid() + 1, std::nullopt, {{1, 10}}, false});
  options.lanes = 2;
  MiniDaemon daemon(config);
  daemon.start();
  tl_client* client = nullptr;
  ASSERT_EQ(try_attach(&client, &options), 0) << tl_last_error();
  EXPECT_EQ(probe(&options), -ENOMEM);  // two and two: nothing would be left for the other user
  EXPECT_NE(std::string(tl_last_error()).find("others"), std::string::npos) << tl_last_error();
  options.lanes = 1;
  EXPECT_EQ(probe(&options), 0) << tl_last_error();
  daemon.pause();
  EXPECT_EQ(daemon.server->counters().refused_share, 1U);
  tl_detach(client);
}

TEST_F(AttachTest, OptionsThatTheLibraryKnowsToBeWrong) {
  MiniDaemon daemon(config);
  tl_options options{};
  options.name = "a name that is longer than thirty-one bytes";
  EXPECT_EQ(probe(&options), -EINVAL);
  options = {};
  options.lanes = 65;
  EXPECT_EQ(probe(&options), -EINVAL);
  options = {};
  options.slot_size = 1 << 20;
  EXPECT_EQ(probe(&options), -EINVAL);
}

TEST_F(AttachTest, JunkAndOtherVersionsAreRefused) {
  MiniDaemon daemon(config);
  const auto answer = [&](const void* data, size_t size) {
    const int fd = raw_socket();
    EXPECT_EQ(send(fd, data, size, 0), static_cast<ssize_t>(size));
    tlr_attach_reply reply{};
    ssize_t n = -1;
    EXPECT_TRUE(daemon.turn_until([&] {
      n = recv(fd, &reply, sizeof(reply), MSG_DONTWAIT);
      return n >= 0;
    }));
    close(fd);
    EXPECT_EQ(n, static_cast<ssize_t>(sizeof(reply)));
    return reply;
  };
  EXPECT_EQ(answer("x", 1).error, -EPROTO);
  std::vector<uint8_t> junk(5000, 0x5a);
  EXPECT_EQ(answer(junk.data(), junk.size()).error, -EPROTO);
  tlr_attach_request request{};
  request.magic = TLR_MAGIC;
  request.abi_version = 7;
  const tlr_attach_reply other = answer(&request, sizeof(request));
  EXPECT_EQ(other.error, -EPROTO);
  EXPECT_NE(std::string(other.text).find("ring ABI 7"), std::string::npos) << other.text;
  request.abi_version = TLR_ABI_VERSION;
  EXPECT_EQ(answer(&request, sizeof(request) - 1).error, -EPROTO);
  std::vector<uint8_t> longer(sizeof(request) + 1);
  memcpy(longer.data(), &request, sizeof(request));
  EXPECT_EQ(answer(longer.data(), longer.size()).error, -EPROTO);
  memset(request.name, 'n', sizeof(request.name));
  EXPECT_EQ(answer(&request, sizeof(request)).error, -EPROTO);
  EXPECT_EQ(daemon.server->counters().refused_request, 6U);
  EXPECT_EQ(daemon.server->counters().attached, 0U);
}

TEST_F(AttachTest, SilentConnectionsAreBoundedAndExpire) {
  config.limits.max_handshakes = 3;
  config.limits.handshake_timeout = std::chrono::milliseconds(0);
  MiniDaemon daemon(config);
  std::array<int, 5> fds{};
  for (int& fd : fds) fd = raw_socket();
  EXPECT_TRUE(daemon.turn_until([&] {
    const auto& c = daemon.server->counters();
    return c.refused_timeout == 3 && c.refused_limit == 2;
  }));
  for (const int fd : fds) close(fd);
}

// Traffic on the attach socket after the attach is not in the ABI.
TEST_F(AttachTest, TalkingAfterAttachIsAHangUp) {
  MiniDaemon daemon(config);
  const int fd = raw_socket();
  tlr_attach_request request{};
  request.magic = TLR_MAGIC;
  ASSERT_EQ(send(fd, &request, sizeof(request), 0), static_cast<ssize_t>(sizeof(request)));
  EXPECT_TRUE(daemon.turn_until([&] { return daemon.server->counters().attached == 1; }));
  ASSERT_EQ(send(fd, "x", 1, 0), 1);
  EXPECT_TRUE(daemon.turn_until([&] { return daemon.server->counters().detached == 1; }));
  close(fd);
}

// The client side of seals: what a client holds cannot be shrunk, and holes do not hurt others.
TEST_F(AttachTest, AClientCannotShrinkItsSegment) {
  MiniDaemon daemon(config);
  const int fd = raw_socket();
  tlr_attach_request request{};
  request.magic = TLR_MAGIC;
  ASSERT_EQ(send(fd, &request, sizeof(request), 0), static_cast<ssize_t>(sizeof(request)));
  tlr_attach_reply reply{};
  iovec iov{&reply, sizeof(reply)};
  alignas(cmsghdr) uint8_t control[CMSG_SPACE(16 * sizeof(int))];
  msghdr message{};
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  EXPECT_TRUE(daemon.turn_until([&] { return recvmsg(fd, &message, MSG_DONTWAIT) > 0; }));
  const cmsghdr* const header = CMSG_FIRSTHDR(&message);
  ASSERT_NE(header, nullptr);
  ASSERT_EQ(header->cmsg_len, CMSG_LEN(3 * sizeof(int)));
  int fds[3];
  memcpy(fds, CMSG_DATA(header), sizeof(fds));
  EXPECT_EQ(ftruncate(fds[0], 0), -1);
  EXPECT_EQ(fcntl(fds[0], F_ADD_SEALS, F_SEAL_WRITE), -1);
  EXPECT_EQ(fallocate(fds[0], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                      static_cast<off_t>(reply.segment_size)),
            0);
  for (int i = 0; i < 10; ++i) daemon.turn();
  // The lane's descriptor is the reading end of a pipe: the daemon's end cannot be written full
  // or made blocking from here.
  EXPECT_EQ(write(fds[1], "x", 1), -1);
  for (const int passed : fds) close(passed);
  close(fd);
  EXPECT_TRUE(daemon.turn_until([&] { return daemon.server->counters().detached == 1; }));
}

// ---------------------------------------------------------------- killed clients

// A process that attaches, connects, sends without reading, and then waits to be killed.
class Victim {
 public:
  explicit Victim(const std::string& socket_path) {
    EXPECT_EQ(pipe(go_), 0);
    EXPECT_EQ(pipe(ready_), 0);
    pid_ = fork();
    if (pid_ == 0) live(socket_path);
  }
  ~Victim() {
    kill_and_wait();
    for (const int fd : {go_[0], go_[1], ready_[0], ready_[1]}) close(fd);
  }
  void go() const { EXPECT_EQ(write(go_[1], "g", 1), 1); }
  [[nodiscard]] bool ready() const {
    char byte = 0;
    fcntl(ready_[0], F_SETFL, O_NONBLOCK);
    return read(ready_[0], &byte, 1) == 1;
  }
  void kill_and_wait() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

 private:
  [[noreturn]] void live(const std::string& socket_path) const {
    char byte = 0;
    if (read(go_[0], &byte, 1) != 1) _exit(1);
    tl_client* client = nullptr;
    tl_lane* lane = nullptr;
    if (tl_attach(socket_path.c_str(), nullptr, &client) != 0) _exit(2);
    if (tl_lane_open(client, &lane) != 0) _exit(3);
    // An association at every worker, each with as much on its way as may be.
    tl_limits limits{};
    tl_limits_of(client, &limits);
    for (uint32_t worker = 0; worker < limits.workers; ++worker) {
      tl_assoc assoc = 0;
      if (dial(lane, &assoc, {.affinity = worker}) != 0) _exit(4);
      tl_event event{};
      while (tl_poll(lane, &event, 1) != 1) {
        if (tl_wait(lane, 10'000) < 0) _exit(5);
      }
      if (event.kind != TL_EVENT_CONNECTED) _exit(6);
      while (send_text(lane, assoc, std::string(700, 'v')) == 0) {
      }
    }
    if (write(ready_[1], "r", 1) != 1) _exit(7);
    while (true) pause();
  }

  pid_t pid_ = 0;
  int go_[2] = {-1, -1};
  int ready_[2] = {-1, -1};
};

class KilledClientTest : public AttachTest, public ::testing::WithParamInterface<uint32_t> {};

TEST_P(KilledClientTest, TakesOnlyItsOwn) {
  const uint32_t workers = GetParam();
  Victim victim(config.socket_path);  // forked before there are threads
  MiniDaemon daemon(config, workers);
  for (auto& shard : daemon.shards) shard->hold_acknowledgements = true;
  daemon.start();
  tl_client* client = nullptr;
  ASSERT_EQ(try_attach(&client), 0) << tl_last_error();
  tl_lane* lane = nullptr;
  ASSERT_EQ(tl_lane_open(client, &lane), 0);
  ASSERT_EQ(open_listener(lane), 0) << tl_last_error();
  victim.go();
  while (!victim.ready()) std::this_thread::yield();
  // Killed when some of its messages have arrived and none is acknowledged. The peers learn of it.
  size_t lost = 0;
  size_t messages = 0;
  while (lost < workers) {
    ASSERT_EQ(tl_wait(lane, 20'000), 1) << tl_last_error();
    tl_event events[16];
    const int n = tl_poll(lane, events, 16);
    ASSERT_GE(n, 0);
    for (int i = 0; i < n; ++i) {
      lost += events[i].kind == TL_EVENT_LOST ? 1 : 0;
      messages += events[i].kind == TL_EVENT_MESSAGE ? 1 : 0;
    }
    tl_event_release(lane, events, static_cast<size_t>(n));
    if (messages != 0) victim.kill_and_wait();
  }
  daemon.pause();
  EXPECT_GT(messages, 0U);
  EXPECT_TRUE(daemon.turn_until([&] { return daemon.server->clients().size() == 1; }));
  for (uint32_t worker = 0; worker < workers; ++worker) {
    EXPECT_EQ(daemon.bridges[worker]->associations(), 0U);
    EXPECT_EQ(daemon.shards[worker]->aborts, 1U);
    EXPECT_EQ(daemon.bridges[worker]->counters().get(RingCounter::k_ring_clients_removed), 1U);
  }
  tl_detach(client);
}

INSTANTIATE_TEST_SUITE_P(Workers, KilledClientTest, ::testing::Values(1, 2, 3));

// Its place, its memory and its descriptors are free while its last messages are still on their
// way.
TEST_F(AttachTest, AClientThatIsGoneTakesNoPlace) {
  config.limits.max_clients = 1;
  MiniDaemon daemon(config, 1, appring::ClientDeath::kShutdown);
  daemon.start();
  tl_client* client = nullptr;
  tl_lane* lane = nullptr;
  ASSERT_EQ(try_attach(&client), 0) << tl_last_error();
  ASSERT_EQ(tl_lane_open(client, &lane), 0);
  ASSERT_EQ(open_listener(lane), 0) << tl_last_error();
  tl_assoc assoc = 0;
  ASSERT_EQ(dial(lane, &assoc), 0);
  tl_event event{};
  while (tl_poll(lane, &event, 1) != 1 || event.kind != TL_EVENT_CONNECTED) {
    std::this_thread::yield();
  }
  daemon.pause();
  daemon.shards[0]->window = 0;
  ASSERT_EQ(send_text(lane, assoc, "last words"), 0);
  daemon.turn();
  ASSERT_EQ(daemon.server->clients().size(), 1U);
  const uint64_t alive = daemon.server->clients()[0].bytes;
  tl_detach(client);
  for (int i = 0; i < 4; ++i) daemon.turn();
  ASSERT_EQ(daemon.server->clients().size(), 1U);
  EXPECT_TRUE(daemon.server->clients()[0].leaving);
  // What remembers its sends is memory, and counted: a user can't have more of it by dying often.
  EXPECT_GT(daemon.server->clients()[0].bytes, 0U);
  EXPECT_LT(daemon.server->clients()[0].bytes, alive / 4);
  daemon.start();
  EXPECT_EQ(try_attach(&client), 0) << tl_last_error();
  tl_detach(client);
  daemon.pause();
  for (const auto& bridge : daemon.bridges) bridge->close_all(daemon.now, true);
}

// A client's memory stays until the last worker has let go of it, in whatever order they come.
TEST_F(AttachTest, TheSegmentOutlivesTheSlowestWorker) {
  MiniDaemon daemon(config, 3);
  daemon.start();
  tl_client* client = nullptr;
  ASSERT_EQ(try_attach(&client), 0) << tl_last_error();
  daemon.pause();
  tl_detach(client);
  daemon.server->poll(std::chrono::milliseconds(0));
  for (const size_t worker : {2U, 0U, 1U}) {
    ASSERT_EQ(daemon.server->clients().size(), 1U) << worker;
    EXPECT_TRUE(daemon.server->clients()[0].leaving);
    daemon.bridges[worker]->drain_submissions(daemon.now);
    daemon.server->poll(std::chrono::milliseconds(0));
  }
  EXPECT_EQ(daemon.server->clients().size(), 0U);
  EXPECT_EQ(daemon.server->counters().detached, 1U);
}

}  // namespace
}  // namespace trunkline::test
