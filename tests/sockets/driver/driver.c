// SPDX-License-Identifier: BSD-3-Clause
// Runs scripts of socket calls in up to four processes, one step at a time, and prints one line a
// step: the step, its result, and how the poll masks of all sockets changed once all was quiet.
// Nothing in it expects anything: the same program runs on the kernel's SCTP and on another, and
// the lines are compared. ../README.md has the language.
//
//   driver [--settle MS] [--block MS] [--base N] [--output FILE] SCRIPTS...
//
// Ports :A to :P are the script's own; --base is the number of the first script, so that drivers
// that run at once use different ones.
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"

enum {
  kFirstPort = 10000,
  kPortsEach = 16,
  kScripts = 1300,
  kMasks = 512,
  kNormals = 256,
  kAnswerMs = 12000
};

struct Process {
  pid_t pid;
  bool alive;
  FILE* to;
  int from;
  char pending[1 << 16];
  size_t size;
};

struct Mask {
  char name[48];
  char value[16];
  char before[16];
  bool mentioned;
};

struct Normal {
  char kind;
  long value;
  int number;
};

static struct Process processes[kProcesses];
static struct Mask masks[kMasks];
static int mask_count;
static struct Normal normals[kNormals];
static int normal_count;
static int ends[kProcesses][4];  // command read, command write, answer read, answer write
static FILE* output;
static long settle_ms = 40, block_ms = 150;
static int script_number;
static unsigned watch;
static struct Out ended;  // of calls that had blocked, as lines
static struct Out raw;
static char blocked[24];     // the call of this step, while it has not ended
static bool answer_changed;  // the masks that came with its result are others
static bool pipes_made, pipes_stale;

// User-mode Linux takes a third of a millisecond for each system call, the time of day among them:
// what comes at each step makes few.
static const struct timeval kLook = {.tv_usec = 50000};  // between looks whether an agent has died

static long now_ms(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return at.tv_sec * 1000 + at.tv_nsec / 1000000;
}

static int first_port(void) {
  return kFirstPort + script_number % kScripts * kPortsEach;
}

// ---- processes ----

// Those of the script before are as good, unless an answer may be on its way in one.
static void make_pipes(void) {
  for (int i = 0; i < kProcesses && pipes_made; i++) {
    processes[i].pid = 0;
    processes[i].alive = false;
    processes[i].size = 0;
  }
  if (pipes_made) {
    return;
  }
  pipes_made = true;
  for (int i = 0; i < kProcesses; i++) {
    int command[2], answer[2];
    if (pipe2(command, O_CLOEXEC) != 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, answer) != 0 ||
        setsockopt(answer[0], SOL_SOCKET, SO_RCVTIMEO, &kLook, sizeof(kLook)) != 0) {
      perror("driver: pipe");
      exit(2);
    }
    const int fds[4] = {command[0], command[1], answer[0], answer[1]};
    memcpy(ends[i], fds, sizeof(fds));
    processes[i] = (struct Process){.to = fdopen(command[1], "w"), .from = answer[0]};
  }
}

static void close_stale_pipes(void) {
  if (!pipes_stale) {
    return;
  }
  pipes_made = pipes_stale = false;
  for (int i = 0; i < kProcesses; i++) {
    close(ends[i][0]);
    fclose(processes[i].to);
    close(ends[i][2]);
    close(ends[i][3]);
  }
}

// In the child: every agent inherits all pipes, because a fork may become any of them.
static void become_agent(int number) {
  for (int i = 0; i < kProcesses; i++) {
    dup2(ends[i][0], kFirstPipe + 2 * i);
    dup2(ends[i][3], kFirstPipe + 2 * i + 1);
  }
  const int nothing = open("/dev/null", O_RDWR);
  dup2(nothing, 0);
  dup2(nothing, 1);
  close_range(3, kFirstPipe - 1, 0);
  char words[3][16];
  snprintf(words[0], 16, "%d", number);
  snprintf(words[1], 16, "%u", watch);
  snprintf(words[2], 16, "%ld", block_ms);
  char* argv[] = {"agent", words[0], words[1], words[2], "0", NULL};
  _exit(agent_main(5, argv));  // an exec would cost more than all its calls
}

static void start_process(int number) {
  const pid_t child = fork();
  if (child == 0) {
    become_agent(number);
  }
  processes[number].pid = child;
  processes[number].alive = child > 0;
}

// A process that died can't say so: others hold its pipe as well. 'Z', or gone.
static bool died(const struct Process* process) {
  char path[64], text[512] = "";
  snprintf(path, sizeof(path), "/proc/%d/stat", (int)process->pid);
  FILE* file = fopen(path, "r");
  if (file == NULL) {
    return true;
  }
  const bool read = fgets(text, sizeof(text), file) != NULL;
  fclose(file);
  const char* state = strrchr(text, ')');
  return !read || state == NULL || state[2] == 'Z' || state[2] == 'X';
}

static void reap(void) {
  while (waitpid(-1, NULL, WNOHANG) > 0) {
  }
}

enum Line { kLine, kGone, kHung };

static enum Line read_line(struct Process* process, char* line, size_t room) {
  long end = 0;
  for (;;) {
    char* newline = memchr(process->pending, '\n', process->size);
    if (newline != NULL) {
      const size_t size = (size_t)(newline - process->pending);
      const size_t kept = size < room ? size : room - 1;
      memcpy(line, process->pending, kept);
      line[kept] = '\0';
      process->size -= size + 1;
      memmove(process->pending, newline + 1, process->size);
      return kLine;
    }
    const ssize_t got = read(process->from, process->pending + process->size,
                             sizeof(process->pending) - process->size);
    if (got > 0) {
      process->size += (size_t)got;
    } else if (died(process)) {
      return kGone;
    } else if (end != 0 && now_ms() > end) {
      return kHung;
    } else if (end == 0) {
      end = now_ms() + kAnswerMs;
    }
  }
}

// ---- what differs from run to run gets a name when it is first seen ----

static int normal(char kind, long value) {
  int last = 0;
  for (int i = 0; i < normal_count; i++) {
    if (normals[i].kind == kind) {
      last = normals[i].number;
      if (normals[i].value == value) {
        return last;
      }
    }
  }
  if (normal_count < kNormals) {
    normals[normal_count++] = (struct Normal){kind, value, last + 1};
  }
  return last + 1;
}

static void out_mark(struct Out* out, const char* kind, long value) {
  const long letter = value - first_port();
  if (value == 0) {
    outf(out, "0");
  } else if (kind[0] == 'p' && letter >= 0 && letter < kPortsEach) {
    outf(out, "%c", (char)('A' + letter));
  } else if (kind[0] == 'p' && value < 1024) {
    outf(out, "%ld", value);
  } else {
    outf(out, "%c%d", kind[0], normal(kind[0], value));
  }
}

static void out_normal(struct Out* out, const char* text) {
  while (*text != '\0') {
    char kind[8];
    long value;
    int used = 0;
    if (sscanf(text, "<%7[a-z] %ld>%n", kind, &value, &used) == 2 && used > 0) {
      out_mark(out, kind, value);
      text += used;
    } else {
      outf(out, "%c", *text++);
    }
  }
}

// ---- names in steps: ":A" to ":P" are ports, ":@s" is the port of getsockname of s ----

static struct {
  char name[16];
  long port;
} known[32];
static int known_count;

static void remember_port(const char* name, const char* text) {
  const char* mark = strstr(text, "<port ");
  if (mark == NULL) {
    return;
  }
  int i = 0;
  while (i < known_count && strcmp(known[i].name, name) != 0) {
    i++;
  }
  if (i == 32) {
    return;
  }
  known_count = i == known_count ? i + 1 : known_count;
  snprintf(known[i].name, sizeof(known[i].name), "%s", name);
  known[i].port = atol(mark + 6);
}

static long port_of(const char* name, size_t size) {
  for (int i = 0; i < known_count; i++) {
    if (strlen(known[i].name) == size && strncmp(known[i].name, name, size) == 0) {
      return known[i].port;
    }
  }
  return 1;
}

static void with_ports(struct Out* out, const char* line) {
  out_clear(out);
  while (*line != '\0') {
    const size_t name = strcspn(line + (*line != '\0' ? 1 : 0), " ,");
    if (line[0] == ':' && line[1] >= 'A' && line[1] <= 'P' && name == 1) {
      outf(out, ":%d", first_port() + line[1] - 'A');
      line += 2;
    } else if (line[0] == ':' && line[1] == '@') {
      outf(out, ":%ld", port_of(line + 2, name - 1));
      line += 1 + name;
    } else {
      outf(out, "%c", *line++);
    }
  }
}

// ---- masks ----

static struct Mask* mask_named(const char* name) {
  for (int i = 0; i < mask_count; i++) {
    if (strcmp(masks[i].name, name) == 0) {
      return &masks[i];
    }
  }
  if (mask_count == kMasks) {
    return &masks[0];
  }
  struct Mask* mask = &masks[mask_count++];
  memset(mask, 0, sizeof(*mask));
  snprintf(mask->name, sizeof(mask->name), "%s", name);
  return mask;
}

// Events of edges are news each time; the others are told when they change.
static bool is_news(const struct Mask* mask) {
  return strstr(mask->name, ".edge") != NULL;
}

static bool take_masks(int process, char* words) {
  bool changed = false;
  char* save = NULL;
  for (char* word = strtok_r(words, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save)) {
    char* equals = strchr(word, '=');
    if (equals == NULL) {
      continue;
    }
    *equals = '\0';
    char name[48];
    snprintf(name, sizeof(name), "%s%s", (const char*[]){"", "1:", "2:", "3:"}[process], word);
    struct Mask* mask = mask_named(name);
    mask->mentioned = true;
    if (strcmp(mask->value, equals + 1) != 0) {
      snprintf(mask->value, sizeof(mask->value), "%s", equals + 1);
      changed = true;
    }
  }
  return changed;
}

static void take_ended(const char* text) {
  const char* blank = strchr(text, ' ');
  if (blocked[0] != '\0' && blank != NULL && strlen(blocked) == (size_t)(blank - text) &&
      strncmp(text, blocked, strlen(blocked)) == 0) {
    out_clear(&raw);  // it was slow, no more: nothing else has happened since it began
    outf(&raw, "%s", blank + 1);
    blocked[0] = '\0';
    return;
  }
  outf(&ended, "  ended %.*s -> ", (int)(blank != NULL ? blank - text : 0), text);
  out_normal(&ended, blank != NULL ? blank + 1 : "");
  outf(&ended, "\n");
}

static void lost(int number, const char* how) {
  struct Process* process = &processes[number];
  outf(&ended, "  process %d %s\n", number, how);
  kill(process->pid, SIGKILL);
  process->alive = false;
  pipes_stale = true;
  reap();
}

// Asks one process; true if anything changed.
static bool ask_masks(int number, const char* question) {
  struct Process* process = &processes[number];
  char line[16384];
  bool changed = false;
  fputs(question, process->to);
  fflush(process->to);
  for (;;) {
    const enum Line read = read_line(process, line, sizeof(line));
    if (read != kLine) {
      lost(number, read == kGone ? "died" : "hangs");
      return true;
    }
    if (strcmp(line, ".") == 0) {
      return changed;
    }
    if (line[0] == 'm') {
      changed |= take_masks(number, line + 1);
    } else if (line[0] == 'e') {
      take_ended(line + 2);
      changed = true;
    }
  }
}

// All processes but one that has just told.
static bool ask_all(const char* question, int but) {
  bool changed = false;
  for (int i = 0; i < mask_count && but < 0; i++) {
    masks[i].mentioned = false;
  }
  for (int i = 0; i < kProcesses; i++) {
    changed |= i != but && processes[i].alive && ask_masks(i, question);
  }
  return changed;
}

// Of an edge, only what was not there before the step, or came anew (something to read): a kernel
// tells of more room whenever something was acknowledged, and need not.
static void trim_edge(struct Mask* edge) {
  char name[48];
  snprintf(name, sizeof(name), "%.*s", (int)(strstr(edge->name, ".edge") - edge->name), edge->name);
  const struct Mask* level = mask_named(name);
  char* room = strchr(edge->value, 'O');
  if (room != NULL && strchr(level->before, 'O') != NULL) {
    memmove(room, room + 1, strlen(room));
  }
  if (edge->value[0] == '\0') {
    strcpy(edge->value, "-");
  }
}

static void print_masks(void) {
  const char* separator = " ;";
  for (int i = 0; i < mask_count; i++) {
    if (masks[i].mentioned && is_news(&masks[i])) {
      trim_edge(&masks[i]);  // before the levels are those of the next step
    }
  }
  for (int i = 0; i < mask_count; i++) {
    struct Mask* mask = &masks[i];
    const bool news = is_news(mask) && mask->mentioned && strcmp(mask->value, "-") != 0;
    if (!mask->mentioned) {
      mask->value[0] = '\0';
    } else if (news || (!is_news(mask) && strcmp(mask->value, mask->before) != 0)) {
      fprintf(output, "%s %s=%s", separator, mask->name, mask->value);
      separator = "";
    }
    memcpy(mask->before, mask->value, sizeof(mask->before));
  }
  fprintf(output, "\n%s", ended.text);
  out_clear(&ended);
}

// ---- steps ----

// What can change nothing that is seen later than its own end.
static bool is_quick(const char* call) {
  static const char* const kQuick[] = {
      "socket", "bind",       "setsockopt",   "getsockopt",   "getsockname", "getpeername",
      "fcntl",  "dup",        "epoll_create", "epoll_ctl",    "epoll_wait",  "poll",
      "ioctl",  "getpaddrs",  "getladdrs",    "recv",         "recvmsg",     "recvfrom",
      "read",   "readv",      "recvmmsg",     "sctp_recvmsg", "bindx",       "sendfd",
      "recvfd", "socketpair", "collect",      "assocs"};
  for (size_t i = 0; i < sizeof(kQuick) / sizeof(kQuick[0]); i++) {
    if (strcmp(call, kQuick[i]) == 0) {
      return true;
    }
  }
  return false;
}

// What it changes is seen at once.
static bool is_still(const char* call) {
  static const char* const kStill[] = {"socket",      "bind",        "setsockopt", "getsockopt",
                                       "getsockname", "getpeername", "fcntl",      "dup",
                                       "getpaddrs",   "getladdrs",   "assocs"};
  for (size_t i = 0; i < sizeof(kStill) / sizeof(kStill[0]); i++) {
    if (strcmp(call, kStill[i]) == 0) {
      return true;
    }
  }
  return false;
}

static bool read_answer(int number) {
  struct Process* process = &processes[number];
  char line[16384];
  for (;;) {
    const enum Line read = read_line(process, line, sizeof(line));
    if (read != kLine) {
      outf(&raw, read == kGone ? "died" : "hangs");
      kill(process->pid, SIGKILL);
      process->alive = false;
      pipes_stale = true;
      reap();
      return false;
    }
    if (strcmp(line, ".") == 0) {
      return true;
    }
    if (line[0] == 'r') {
      outf(&raw, "%s", line + 2);
    } else if (line[0] == 'b') {
      outf(&raw, "blocks");
      snprintf(blocked, sizeof(blocked), "%.16s", line + 2);
    } else if (line[0] == 'p') {
      process->pid = atoi(line + 2);
    } else if (line[0] == 'm') {
      answer_changed |= take_masks(number, line + 1);
    } else if (line[0] == 'e') {
      take_ended(line + 2);
      answer_changed = true;
    }
  }
}

static void do_call(const struct Step* step, const char* line) {
  struct Process* process = &processes[step->process];
  struct Out resolved;
  with_ports(&resolved, line);
  fprintf(process->to, "%s\n", resolved.text);
  fflush(process->to);
  if (strcmp(step->call, "exit") == 0) {
    const long end = now_ms() + kAnswerMs;
    while (!died(process) && now_ms() < end) {
      reap();
      usleep(2000);
    }
    process->alive = false;
    outf(&raw, "gone");
    return;
  }
  read_answer(step->process);
  const int child = (int)step_number(step, "to", 1);
  if (strcmp(step->call, "fork") == 0 && strcmp(raw.text, "child") == 0 && child < kProcesses) {
    processes[child].alive = true;
    processes[child].pid = getpid();  // until it has said which
    struct Out kept = raw;
    read_answer(child);
    raw = kept;
  }
  if (strcmp(step->call, "getsockname") == 0) {
    remember_port(step_text(step, "s", ""), raw.text);
  }
}

// Delivery is asynchronous: until nothing has changed for a while.
static void settle(const struct Step* step, int told) {
  enum { kLongest = 3000 };
  const bool waits = blocked[0] != '\0' || !is_quick(step->call);
  bool changed = ask_all("?\n", told) || answer_changed || waits;
  changed = changed && (waits || !is_still(step->call));
  for (long waited = 0; changed && waited < kLongest; waited += settle_ms) {
    usleep((useconds_t)settle_ms * 1000);
    changed = ask_all("?\n", -1);
  }
  if ((watch & 1u << 3) != 0) {
    ask_all("!\n", -1);  // one-shots are told at the end alone
  }
}

static void do_step(const char* line) {
  struct Step step;
  if (!step_parse(&step, line)) {
    fprintf(output, "%s -> not a step\n", line);
    return;
  }
  struct Process* process = &processes[step.process];
  out_clear(&raw);
  blocked[0] = '\0';
  answer_changed = false;
  for (int i = 0; i < mask_count; i++) {
    masks[i].mentioned = false;
  }
  int told = kProcesses;  // nobody
  if (!process->alive && strcmp(step.call, "kill") != 0 && process->pid == 0) {
    start_process(step.process);
  }
  if (!process->alive) {
    outf(&raw, "no such process");
  } else if (strcmp(step.call, "kill") == 0) {
    kill(process->pid, SIGKILL);
    process->alive = false;
    reap();
    outf(&raw, "killed");
  } else {
    do_call(&step, line);
    told = process->alive && strcmp(step.call, "fork") != 0 ? step.process : kProcesses;
  }
  settle(&step, told);
  struct Out result;
  out_clear(&result);
  out_normal(&result, raw.text);
  fprintf(output, "%s -> %s", line, result.text);
  print_masks();
}

static void begin_script(const char* header) {
  static const char* const kWatchWords[] = {"select", "epoll", "edge", "oneshot"};
  make_pipes();
  mask_count = normal_count = known_count = 0;
  watch = 0;
  const char* words = strstr(header, "watch=");
  for (unsigned i = 0; words != NULL && i < 4; i++) {
    watch |= strstr(words, kWatchWords[i]) != NULL ? 1u << i : 0;
  }
  fprintf(output, "%s\n", header);
}

static void end_script(void) {
  for (int i = 0; i < kProcesses; i++) {
    if (processes[i].pid > 0 && processes[i].alive) {
      kill(processes[i].pid, SIGKILL);
    }
  }
  close_stale_pipes();
  while (waitpid(-1, NULL, 0) > 0) {
  }
  script_number++;
}

static void run_file(const char* path) {
  FILE* file = fopen(path, "r");
  if (file == NULL) {
    perror(path);
    exit(2);
  }
  char line[kMaxLine];
  bool inside = false;
  while (fgets(line, sizeof(line), file) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    if (strncmp(line, "== ", 3) == 0) {
      if (inside) {
        end_script();
      }
      begin_script(line);
      inside = true;
    } else if (inside && isdigit((unsigned char)line[0])) {
      do_step(line);
    }
  }
  if (inside) {
    end_script();
  }
  fclose(file);
}

int main(int argc, char** argv) {
  if (strcmp(argv[0], "agent") == 0) {
    return agent_main(argc, argv);
  }
  static const struct option kOptions[] = {{"settle", 1, NULL, 's'},
                                           {"block", 1, NULL, 'b'},
                                           {"base", 1, NULL, 'n'},
                                           {"output", 1, NULL, 'o'},
                                           {0}};
  output = stdout;
  for (int c; (c = getopt_long(argc, argv, "", kOptions, NULL)) != -1;) {
    if (c == 's') {
      settle_ms = atol(optarg);
    } else if (c == 'b') {
      block_ms = atol(optarg);
    } else if (c == 'n') {
      script_number = atoi(optarg);
    } else if (c != 'o' || (output = fopen(optarg, "we")) == NULL) {
      fprintf(stderr, "usage: driver [--settle MS] [--block MS] [--base N] [--output FILE] FILE\n");
      return 2;
    }
  }
  prctl(PR_SET_CHILD_SUBREAPER, 1);  // children of the processes that we start
  signal(SIGPIPE, SIG_IGN);
  for (int i = optind; i < argc; i++) {
    run_file(argv[i]);
  }
  return fclose(output) == 0 ? 0 : 1;
}
