/* Loaded in front of the C library, this sets the wall clock of one process, and of it alone: by as many seconds as the file says that
 * ENCKE_FAULTS_CLOCK names, while there is one. The monotonic clock stays as it is. Called by: clocks.rs, which compiles it. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *time) {
  int outcome = (int)syscall(SYS_clock_gettime, clock, time);
  const char *path = getenv("ENCKE_FAULTS_CLOCK");
  FILE *file = outcome == 0 && clock == CLOCK_REALTIME && path ? fopen(path, "r") : NULL;
  if (file) {
    long seconds = 0;
    if (fscanf(file, "%ld", &seconds) == 1)
      time->tv_sec += seconds;
    fclose(file);
  }
  return outcome;
}
