// SPDX-License-Identifier: BSD-3-Clause
// The main thread serves the pipe; each call runs in a thread of a small pool, so that a call that
// blocks is reported as blocking and ends later, in the answer to a "?".
//
//   to the agent              from the agent, each answer closed by a line "."
//   0 send s=c len=5          r RESULT, or b ID (it blocks), and what "?" tells
//   ?                         m NAME=MASK ..., e ID RESULT for each call that ended meanwhile
//   !                         the same, for the last time in this step
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { kTableSize = 64, kThreads = 12, kName = 16 };
enum Watch { kSelect, kEpoll, kEdge, kOneShot, kWatches };
static const char* const kWatchNames[] = {"select", "epoll", "edge", "oneshot"};

struct Entry {
  char name[kName];
  int fd;
  bool socket;              // its masks are told
  unsigned seen[kWatches];  // events since the last answer
};

struct Task {
  enum { kIdle, kGiven, kDone } state;
  bool blocked;  // its block was told, its end was not
  struct Step step;
  struct Out out;
  char id[kName];
  pthread_t thread;
  bool started;
};

static struct Entry table[kTableSize];
static int entries;
static struct Task tasks[kThreads];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;  // of table and tasks
static pthread_cond_t news = PTHREAD_COND_INITIALIZER;
static int process;
static unsigned watch;  // bits of enum Watch
static long block_ms;
static int epolls[kWatches] = {-1, -1, -1, -1};
static FILE* in;
static FILE* answers;

static struct Entry* entry_named(const char* name) {
  for (int i = 0; i < entries; i++) {
    if (strcmp(table[i].name, name) == 0) {
      return &table[i];
    }
  }
  return NULL;
}

int table_find(const char* name) {
  pthread_mutex_lock(&lock);
  const struct Entry* entry = name != NULL ? entry_named(name) : NULL;
  const int fd = entry != NULL ? entry->fd : -1;
  pthread_mutex_unlock(&lock);
  return fd;
}

static void watch_one(int fd, bool add) {
  for (int i = kEpoll; i < kWatches; i++) {
    if ((watch & 1u << i) == 0) {
      continue;
    }
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI};
    event.events |= i == kEdge ? EPOLLET : i == kOneShot ? EPOLLONESHOT : 0u;
    event.data.fd = fd;
    epoll_ctl(epolls[i], add ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, fd, &event);
  }
}

static void rearm(void) {
  for (int i = 0; i < entries && (watch & 1u << kOneShot) != 0; i++) {
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLONESHOT};
    event.data.fd = table[i].fd;
    if (table[i].seen[kOneShot] != 0) {
      epoll_ctl(epolls[kOneShot], EPOLL_CTL_MOD, table[i].fd, &event);
    }
  }
}

void table_add(const char* name, int fd) {
  pthread_mutex_lock(&lock);
  if (name != NULL && fd >= 0 && entries < kTableSize) {
    struct Entry* entry = entry_named(name);
    if (entry == NULL) {
      entry = &table[entries++];
    }
    memset(entry, 0, sizeof(*entry));
    snprintf(entry->name, sizeof(entry->name), "%s", name);
    entry->fd = fd;
    struct stat status;
    entry->socket = fstat(fd, &status) != 0 || S_ISSOCK(status.st_mode);
    watch_one(fd, true);
  }
  pthread_mutex_unlock(&lock);
}

static void drop(struct Entry* entry) {
  watch_one(entry->fd, false);
  entries--;
  memmove(entry, entry + 1, (size_t)(table + entries - entry) * sizeof(*entry));
}

void table_remove(const char* name) {
  pthread_mutex_lock(&lock);
  struct Entry* entry = entry_named(name);
  if (entry != NULL) {
    drop(entry);
  }
  pthread_mutex_unlock(&lock);
}

void table_forget(int fd) {
  pthread_mutex_lock(&lock);
  for (int i = entries - 1; i >= 0; i--) {
    if (table[i].fd == fd) {
      drop(&table[i]);
    }
  }
  pthread_mutex_unlock(&lock);
}

static __thread volatile sig_atomic_t broken_pipe;

static void on_broken_pipe(int number) {
  (void)number;
  broken_pipe = 1;
}

static void run(const struct Step* step, struct Out* out) {
  out_clear(out);
  broken_pipe = 0;
  if (!call_run(step, out)) {
    outf(out, "no such call");
  }
  outf(out, "%s", broken_pipe != 0 ? " SIGPIPE" : "");
}

static void* worker(void* argument) {
  struct Task* task = argument;
  pthread_mutex_lock(&lock);
  for (;;) {
    while (task->state != kGiven) {
      pthread_cond_wait(&news, &lock);
    }
    pthread_mutex_unlock(&lock);
    run(&task->step, &task->out);
    pthread_mutex_lock(&lock);
    task->state = kDone;
    pthread_cond_broadcast(&news);
  }
  return NULL;
}

static struct timespec after(long ms) {
  struct timespec at;
  clock_gettime(CLOCK_REALTIME, &at);
  at.tv_nsec += ms % 1000 * 1000000;
  at.tv_sec += ms / 1000 + at.tv_nsec / 1000000000;
  at.tv_nsec %= 1000000000;
  return at;
}

// Everything else ends by itself, however slow the machine is, and needs no thread of its own.
static bool may_block(const struct Step* step) {
  static const char* const kCalls[] = {"connect",  "accept", "connectx",   "close",
                                       "shutdown", "poll",   "epoll_wait", "dup2"};
  for (size_t i = 0; i < sizeof(kCalls) / sizeof(kCalls[0]); i++) {
    if (strcmp(step->call, kCalls[i]) == 0) {
      return true;
    }
  }
  const bool moves = strstr(step->call, "send") != NULL || strstr(step->call, "recv") != NULL ||
                     strstr(step->call, "read") != NULL || strstr(step->call, "write") != NULL;
  return moves && strstr(step_text(step, "flags", ""), "DONTWAIT") == NULL;
}

static void start(const char* line) {
  static int count;
  struct Task* task = tasks;
  while (task < tasks + kThreads && (task->state != kIdle || task->blocked)) {
    task++;
  }
  if (task == tasks + kThreads) {
    fprintf(answers, "r too many calls that block\n");
    return;
  }
  if (!step_parse(&task->step, line)) {
    fprintf(answers, "r not understood\n");
    return;
  }
  if (!may_block(&task->step)) {
    run(&task->step, &task->out);
    fprintf(answers, "r %s\n", task->out.text);
    return;
  }
  snprintf(task->id, sizeof(task->id), "%s", step_text(&task->step, "id", ""));
  if (task->id[0] == '\0') {
    snprintf(task->id, sizeof(task->id), "b%d", ++count);
  }
  pthread_mutex_lock(&lock);
  task->state = kGiven;
  if (!task->started) {
    task->started = pthread_create(&task->thread, NULL, worker, task) == 0;
  }
  pthread_cond_broadcast(&news);
  const struct timespec end = after(block_ms);
  while (task->state != kDone && pthread_cond_timedwait(&news, &lock, &end) != ETIMEDOUT) {
  }
  if (task->state == kDone) {
    fprintf(answers, "r %s\n", task->out.text);
    task->state = kIdle;
  } else {
    task->blocked = true;
    fprintf(answers, "b %s\n", task->id);
  }
  pthread_mutex_unlock(&lock);
}

static void tell_ended(void) {
  for (struct Task* task = tasks; task < tasks + kThreads; task++) {
    if (task->blocked && task->state == kDone) {
      fprintf(answers, "e %s %s\n", task->id, task->out.text);
      task->blocked = false;
      task->state = kIdle;
    }
  }
}

static void tell_poll(const struct Entry* entry, long events) {
  struct Out out;
  out_clear(&out);
  for (const struct Name* bit = kPollBits; bit->name != NULL; bit++) {
    outf(&out, "%s", (events & bit->value) != 0 ? bit->name : "");
  }
  fprintf(answers, " %s=%s", entry->name, out.size == 0 ? "-" : out.text);
}

static void tell_select(const struct Entry* entry) {
  fd_set sets[3];
  for (int i = 0; i < 3; i++) {
    FD_ZERO(&sets[i]);
    FD_SET(entry->fd, &sets[i]);
  }
  struct timeval none = {0};
  if (select(entry->fd + 1, &sets[0], &sets[1], &sets[2], &none) < 0) {
    fprintf(answers, " %s.select=%s", entry->name, error_name(errno));
    return;
  }
  fprintf(answers, " %s.select=%s%s%s", entry->name, FD_ISSET(entry->fd, &sets[0]) ? "r" : "-",
          FD_ISSET(entry->fd, &sets[1]) ? "w" : "-", FD_ISSET(entry->fd, &sets[2]) ? "x" : "-");
}

static void take_events(enum Watch kind) {
  struct epoll_event events[kTableSize];
  const int count = epoll_wait(epolls[kind], events, kTableSize, 0);
  for (int i = 0; i < entries; i++) {
    if (kind == kEpoll) {
      table[i].seen[kind] = 0;
    }
    for (int j = 0; j < count; j++) {
      if (events[j].data.fd == table[i].fd) {
        table[i].seen[kind] |= events[j].events;
      }
    }
  }
}

// Events of a level are those of now; of edges and one-shots, all since the step began.
static void tell_epoll(enum Watch kind) {
  take_events(kind);
  for (int i = 0; i < entries; i++) {
    struct Out out;
    out_clear(&out);
    for (const struct Name* bit = kPollBits; bit->name != NULL; bit++) {
      outf(&out, "%s", (table[i].seen[kind] & (unsigned)bit->value) != 0 ? bit->name : "");
    }
    fprintf(answers, " %s.%s=%s", table[i].name, kWatchNames[kind], out.size == 0 ? "-" : out.text);
  }
}

// `last`: of this step. A one-shot is asked only then: it would say what it saw first.
static void tell_masks(bool last) {
  pthread_mutex_lock(&lock);
  tell_ended();
  fprintf(answers, "m");
  struct pollfd all[kTableSize];
  for (int i = 0; i < entries; i++) {
    all[i] = (struct pollfd){.fd = table[i].fd, .events = POLLIN | POLLPRI | POLLOUT | POLLRDHUP};
  }
  poll(all, (nfds_t)entries, 0);  // one call for all: here each costs
  for (int i = 0; i < entries; i++) {
    if (!table[i].socket) {
      continue;
    }
    tell_poll(&table[i], all[i].revents);
    if ((watch & 1u << kSelect) != 0) {
      tell_select(&table[i]);
    }
  }
  for (int kind = kEpoll; kind < kWatches; kind++) {
    if ((watch & 1u << kind) != 0 && (last || kind != kOneShot)) {
      tell_epoll((enum Watch)kind);
    }
  }
  fprintf(answers, "\n");
  pthread_mutex_unlock(&lock);
}

static void next_step(void) {
  pthread_mutex_lock(&lock);
  rearm();
  for (int i = 0; i < entries; i++) {
    memset(table[i].seen, 0, sizeof(table[i].seen));
  }
  pthread_mutex_unlock(&lock);
}

static void open_watches(void) {
  for (int i = kEpoll; i < kWatches; i++) {
    if ((watch & 1u << i) != 0) {
      if (epolls[i] >= 0) {
        close(epolls[i]);
      }
      const int made = epoll_create1(EPOLL_CLOEXEC);
      epolls[i] = fcntl(made, F_DUPFD_CLOEXEC, kFirstPipe + 20);  // low numbers are the script's
      close(made);
    }
  }
  for (int i = 0; i < entries; i++) {
    watch_one(table[i].fd, true);
  }
}

static void open_pipes(int number) {
  process = number;
  in = fdopen(kFirstPipe + 2 * number, "r");
  answers = fdopen(kFirstPipe + 2 * number + 1, "w");
  if (in == NULL || answers == NULL) {
    _exit(3);
  }
  setvbuf(answers, NULL, _IOFBF, 16384);
}

static void end_answer(void) {
  fputs(".\n", answers);
  fflush(answers);
}

// The child has the main thread alone, and becomes the process that the step names.
static void fork_to(int number) {
  const pid_t child = fork();
  if (child != 0) {
    fprintf(answers, "r %s\n", child > 0 ? "child" : error_name(errno));
    return;
  }
  memset(tasks, 0, sizeof(tasks));
  pthread_mutex_init(&lock, NULL);  // threads that are not here any more wait for it
  pthread_cond_init(&news, NULL);
  open_pipes(number);
  open_watches();
  fprintf(answers, "p %d\n", (int)getpid());
}

static void exec_again(void) {
  char* argv[kTableSize + 8];
  static char words[kTableSize + 8][64];
  int count = 0;
  snprintf(words[count++], 64, "agent");
  snprintf(words[count++], 64, "%d", process);
  snprintf(words[count++], 64, "%u", watch);
  snprintf(words[count++], 64, "%ld", block_ms);
  snprintf(words[count++], 64, "1");
  for (int i = 0; i < entries; i++) {
    snprintf(words[count++], 64, "%.15s=%d", table[i].name, table[i].fd);
  }
  for (int i = 0; i < count; i++) {
    argv[i] = words[i];
  }
  argv[count] = NULL;
  execv("/proc/self/exe", argv);
  fprintf(answers, "r %s\n", error_name(errno));
}

static struct Task* task_named(const char* id) {
  for (struct Task* task = tasks; task < tasks + kThreads; task++) {
    if (task->blocked && strcmp(task->id, id) == 0) {
      return task;
    }
  }
  return NULL;
}

static void nothing(int number) {
  (void)number;
}

// A signal to the thread of a call that blocks.
static void signal_task(const struct Step* step) {
  struct Task* task = task_named(step_text(step, "id", "b1"));
  struct sigaction action = {.sa_handler = nothing};
  action.sa_flags = step_number(step, "restart", 0) != 0 ? SA_RESTART : 0;
  sigaction(SIGUSR1, &action, NULL);
  fprintf(answers, "r %s\n",
          task == NULL                               ? "no such call"
          : pthread_kill(task->thread, SIGUSR1) == 0 ? "ok"
                                                     : "failed");
}

static bool own_call(const char* line) {
  struct Step step;
  if (!step_parse(&step, line)) {
    return false;
  }
  if (strcmp(step.call, "fork") == 0) {
    fork_to((int)step_number(&step, "to", 1));
  } else if (strcmp(step.call, "exec") == 0) {
    exec_again();
  } else if (strcmp(step.call, "exit") == 0) {
    _exit(0);
  } else if (strcmp(step.call, "signal") == 0) {
    signal_task(&step);
  } else {
    return false;
  }
  return true;
}

static void resume(int argc, char** argv) {
  fprintf(answers, "r kept");
  for (int i = 5; i < argc; i++) {
    char* equals = strchr(argv[i], '=');
    *equals = '\0';
    const int fd = atoi(equals + 1);
    if (fcntl(fd, F_GETFD) >= 0) {
      table_add(argv[i], fd);
      fprintf(answers, " %s", argv[i]);
    }
  }
  fprintf(answers, "\n");
  tell_masks(false);
  end_answer();
}

int agent_main(int argc, char** argv) {
  if (argc < 5) {
    return 2;
  }
  signal(SIGPIPE, on_broken_pipe);
  open_pipes(atoi(argv[1]));
  watch = (unsigned)atoi(argv[2]);
  block_ms = atol(argv[3]);
  open_watches();
  if (atoi(argv[4]) != 0) {
    resume(argc, argv);
  }
  char line[kMaxLine];
  while (fgets(line, sizeof(line), in) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    if (strcmp(line, "?") == 0 || strcmp(line, "!") == 0) {
      tell_masks(line[0] == '!');
    } else {
      next_step();
      if (!own_call(line)) {
        start(line);
      }
      tell_masks(false);
    }
    end_answer();
  }
  _exit(0);
}
