/* SPDX-License-Identifier: BSD-3-Clause
 *
 * trunkline-run: starts a program with libtrunkline-preload.so, so that its SCTP sockets are those
 * of a trunklined daemon. Says why where that can't work: a static program, a setuid one, one made
 * by Go. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef TRUNKLINE_LIBDIR
#define TRUNKLINE_LIBDIR "/usr/local/lib"
#endif
#define LIBRARY "libtrunkline-preload.so"

static const char kUsage[] =
    "usage: trunkline-run [--socket PATH] [--trace] [--tcp] PROGRAM [ARGUMENT...]\n"
    "\n"
    "Runs PROGRAM with its SCTP sockets on a trunklined daemon instead of the kernel.\n"
    "\n"
    "  --socket PATH  the daemon's sockets.socket (else $TRUNKLINE_SOCKET, else\n"
    "                 /run/trunkline/sockets.sock)\n"
    "  --trace        each call of a socket with its result, on standard error\n"
    "  --tcp          TCP sockets of the program become one-to-one SCTP sockets\n";

static void say(const char* program, const char* what) {
  fprintf(stderr, "trunkline-run: %s: %s\n", program, what);
}

/* Where the library lies: beside this program in a build folder, else where it was installed. */
static int find_library(char* out, size_t size) {
  const char* given = getenv("TRUNKLINE_PRELOAD");
  if (given != NULL) return snprintf(out, size, "%s", given) < (int)size && access(out, R_OK) == 0;
  char self[PATH_MAX];
  const ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
  if (n > 0) {
    self[n] = '\0';
    char* const slash = strrchr(self, '/');
    if (slash != NULL) *slash = '\0';
    if (snprintf(out, size, "%s/" LIBRARY, self) < (int)size && access(out, R_OK) == 0) return 1;
    if (snprintf(out, size, "%s/../lib/" LIBRARY, self) < (int)size && access(out, R_OK) == 0) {
      return 1;
    }
  }
  return snprintf(out, size, TRUNKLINE_LIBDIR "/" LIBRARY) < (int)size && access(out, R_OK) == 0;
}

/* The program that execvp() would find. */
static int find_program(const char* name, char* out, size_t size) {
  if (strchr(name, '/') != NULL) {
    snprintf(out, size, "%s", name);
    return access(out, X_OK) == 0;
  }
  const char* path = getenv("PATH");
  if (path == NULL) path = "/usr/local/bin:/usr/bin:/bin";
  while (*path != '\0') {
    const size_t length = strcspn(path, ":");
    snprintf(out, size, "%.*s/%s", (int)length, length != 0 ? path : ".", name);
    struct stat about;
    if (access(out, X_OK) == 0 && stat(out, &about) == 0 && S_ISREG(about.st_mode)) return 1;
    path += length;
    if (*path == ':') ++path;
  }
  return 0;
}

struct kind {
  int is_elf;
  int has_interpreter;
  int is_go;
};

/* Go leaves a note with its name, or a section. */
static void look_at_note(const unsigned char* note, size_t size, struct kind* out) {
  if (size < sizeof(Elf64_Nhdr) + 4) return;
  Elf64_Nhdr head;
  memcpy(&head, note, sizeof(head));
  if (head.n_namesz == 4 && memcmp(note + sizeof(head), "Go\0", 4) == 0) out->is_go = 1;
}

static void look_at_segments(const unsigned char* file, size_t size, struct kind* out) {
  Elf64_Ehdr head;
  memcpy(&head, file, sizeof(head));
  for (unsigned i = 0; i < head.e_phnum; ++i) {
    const size_t at = head.e_phoff + (size_t)i * head.e_phentsize;
    Elf64_Phdr segment;
    if (at > size || size - at < sizeof(segment)) return;
    memcpy(&segment, file + at, sizeof(segment));
    if (segment.p_type == PT_INTERP) out->has_interpreter = 1;
    if (segment.p_type == PT_NOTE && segment.p_offset < size &&
        segment.p_filesz <= size - segment.p_offset) {
      look_at_note(file + segment.p_offset, segment.p_filesz, out);
    }
  }
}

static void look_at_sections(const unsigned char* file, size_t size, struct kind* out) {
  Elf64_Ehdr head;
  memcpy(&head, file, sizeof(head));
  Elf64_Shdr names;
  const size_t at_names = head.e_shoff + (size_t)head.e_shstrndx * head.e_shentsize;
  if (head.e_shoff == 0 || at_names > size || size - at_names < sizeof(names)) return;
  memcpy(&names, file + at_names, sizeof(names));
  for (unsigned i = 0; i < head.e_shnum; ++i) {
    const size_t at = head.e_shoff + (size_t)i * head.e_shentsize;
    Elf64_Shdr section;
    if (at > size || size - at < sizeof(section)) return;
    memcpy(&section, file + at, sizeof(section));
    const size_t name = names.sh_offset + section.sh_name;
    static const char kGo[] = ".go.buildinfo";
    if (name < size && size - name >= sizeof(kGo) && memcmp(file + name, kGo, sizeof(kGo)) == 0) {
      out->is_go = 1;
    }
  }
}

static struct kind look_at(const char* path) {
  struct kind out = {0, 0, 0};
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  struct stat about;
  if (fd < 0 || fstat(fd, &about) != 0 || about.st_size < (off_t)sizeof(Elf64_Ehdr)) {
    if (fd >= 0) close(fd);
    return out;
  }
  const size_t size = (size_t)about.st_size;
  unsigned char* const file = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
  close(fd);
  if (file == MAP_FAILED) return out;
  if (memcmp(file, ELFMAG, SELFMAG) == 0 && file[EI_CLASS] == ELFCLASS64) {
    out.is_elf = 1;
    look_at_segments(file, size, &out);
    look_at_sections(file, size, &out);
  }
  munmap(file, size);
  return out;
}

/* 0: nothing speaks against it. */
static int refuse(const char* path) {
  struct stat about;
  if (stat(path, &about) == 0 && (about.st_mode & (S_ISUID | S_ISGID)) != 0 && geteuid() != 0) {
    say(path,
        "is setuid or setgid, and the system preloads nothing into such programs; run it as a user"
        " who needs no such bit");
    return 1;
  }
  const struct kind kind = look_at(path);
  if (kind.is_go) {
    say(path,
        "was made by Go, which makes system calls of its own, past any library: its sockets would"
        " be the kernel's");
    return 1;
  }
  if (kind.is_elf && !kind.has_interpreter) {
    say(path, "is linked statically: there is nothing that a library could be loaded into");
    return 1;
  }
  return 0;
}

static void preload(const char* library) {
  const char* const before = getenv("LD_PRELOAD");
  if (before == NULL || before[0] == '\0') {
    setenv("LD_PRELOAD", library, 1);
    return;
  }
  char* both = NULL;
  if (asprintf(&both, "%s:%s", library, before) < 0) return;
  setenv("LD_PRELOAD", both, 1);
  free(both);
}

int main(int count, char** arguments) {
  static const struct option kOptions[] = {{"socket", required_argument, NULL, 's'},
                                           {"trace", no_argument, NULL, 't'},
                                           {"tcp", no_argument, NULL, 'c'},
                                           {"help", no_argument, NULL, 'h'},
                                           {NULL, 0, NULL, 0}};
  for (int option; (option = getopt_long(count, arguments, "+h", kOptions, NULL)) != -1;) {
    switch (option) {
      case 's':
        setenv("TRUNKLINE_SOCKET", optarg, 1);
        break;
      case 't':
        setenv("TRUNKLINE_TRACE", "1", 1);
        break;
      case 'c':
        setenv("TRUNKLINE_TCP", "1", 1);
        break;
      case 'h':
        fputs(kUsage, stdout);
        return 0;
      default:
        fputs(kUsage, stderr);
        return 2;
    }
  }
  if (optind >= count) {
    fputs(kUsage, stderr);
    return 2;
  }
  char library[2 * PATH_MAX];
  if (!find_library(library, sizeof(library))) {
    say(LIBRARY, "is neither beside trunkline-run nor in " TRUNKLINE_LIBDIR);
    return 126;
  }
  char program[2 * PATH_MAX];
  if (!find_program(arguments[optind], program, sizeof(program))) {
    say(arguments[optind], "there is no such program");
    return 127;
  }
  if (refuse(program)) return 126;
  preload(library);
  execv(program, &arguments[optind]);
  say(program, strerror(errno));
  return 126;
}
