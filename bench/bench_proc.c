/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench/bench_proc.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "engine/base/mono.h"

#define ARGS_MAX 64
#define END_MS   2000

static volatile sig_atomic_t signalled;

static void on_signal(int sig)
{
    signalled = sig;
}

void proc_catch_signals(void)
{
    struct sigaction act = {.sa_handler = on_signal};

    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
}

static void nap(int ms)
{
    struct timespec ts = {ms / 1000, ms % 1000 * NS_PER_MS};

    while (nanosleep(&ts, &ts) < 0 && errno == EINTR && !signalled)
        ;
}

int proc_sleep_ms(int ms)
{
    if (!signalled)
        nap(ms);
    errno = EINTR;
    return signalled ? -1 : 0;
}

int proc_find(const char *name, char ret[PATH_MAX], struct err *err)
{
    static const char *const places[] = {"", "../sbin/"};
    char dir[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", dir, sizeof(dir) - 1);

    if (n < 0)
        return err_errno(err, "", "/proc/self/exe");
    dir[n] = '\0';
    strrchr(dir, '/')[1] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        if (snprintf(ret, PATH_MAX, "%s%s%s", dir, places[i], name) < PATH_MAX &&
            access(ret, X_OK) == 0)
            return 0;
    }
    return err_set(err, "install or build all programs in one place",
                   "%s is neither in %.200s nor in ../sbin of it", name, dir);
}

static _Noreturn void become(const char *path, const char *const args[], int log)
{
    int null = open("/dev/null", O_RDONLY);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_DFL);
    if (null >= 0 && dup2(null, 0) >= 0 && dup2(log, 1) >= 0 && dup2(log, 2) >= 0) {
        close_range(3, ~0U, 0);
        execv(path, (char *const *)args);
    }
    _exit(127);
}

static int spawn(struct proc *p, const char *path, const char *const args[], struct err *err)
{
    int log = open(p->log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (log < 0)
        return err_errno(err, "", "%.200s", p->log);
    p->pid = fork();
    if (p->pid == 0)
        become(path, args, log);
    int saved = errno;
    close(log);
    errno = saved;
    return p->pid < 0 ? err_errno(err, "", "fork") : 0;
}

int proc_start(struct proc *p, const char *program, const char *const argv[], const char *log,
               struct err *err)
{
    char path[PATH_MAX];
    const char *args[ARGS_MAX] = {program};
    size_t n = 1;

    *p = (struct proc){0};
    if (proc_find(program, path, err) < 0)
        return -1;
    while (*argv && n < ARGS_MAX - 1)
        args[n++] = *argv++;
    snprintf(p->log, sizeof(p->log), "%s", log);
    return spawn(p, path, args, err);
}

static int status_of(int status)
{
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int proc_wait(struct proc *p, int timeout_ms)
{
    struct mono until = mono_add(mono_now(), timeout_ms * NS_PER_MS);
    int status;

    errno = ESRCH;
    while (p->pid > 0) {
        pid_t pid = waitpid(p->pid, &status, WNOHANG);
        if (pid != 0) {
            p->pid = 0;
            return pid < 0 ? -1 : status_of(status);
        }
        if (!mono_before(mono_now(), until)) {
            errno = ETIMEDOUT;
            return -1;
        }
        if (proc_sleep_ms(2) < 0)
            return -1;
    }
    return -1;
}

void proc_end(struct proc *p, int sig)
{
    struct mono until = mono_add(mono_now(), END_MS * NS_PER_MS);

    if (p->pid <= 0)
        return;
    kill(p->pid, sig);
    while (waitpid(p->pid, NULL, WNOHANG) == 0) {
        if (!mono_before(mono_now(), until))
            kill(p->pid, SIGKILL);
        nap(2);
    }
    p->pid = 0;
}

/** The processors that this program had at the start. */
static const cpu_set_t *own_cpus(void)
{
    static cpu_set_t all;

    if (CPU_COUNT(&all) == 0)
        sched_getaffinity(0, sizeof(all), &all);
    return &all;
}

void proc_pin(pid_t pid, int n)
{
    const cpu_set_t *all = own_cpus();
    cpu_set_t one;

    CPU_ZERO(&one);
    for (int cpu = 0, i = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, all) && i++ == n)
            CPU_SET(cpu, &one);
    }
    if (n < 0)
        sched_setaffinity(pid, sizeof(*all), all);
    else if (CPU_COUNT(&one) > 0)
        sched_setaffinity(pid, sizeof(one), &one);
}

/** Kilobytes behind `key` in the text of /proc/PID/status. */
static double kilobytes(const char *text, const char *key)
{
    const char *line = strstr(text, key);

    return line ? strtod(line + strlen(key), NULL) : 0;
}

static char *read_proc(pid_t pid, const char *file)
{
    char path[64], *text = NULL;
    size_t len;

    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
    return file_read(path, 65536, &text, &len) < 0 ? NULL : text;
}

/** utime and stime: the 14th and 15th fields, counted behind the name in parentheses. */
static double cpu_seconds(const char *stat)
{
    const char *p = strrchr(stat, ')');
    unsigned long user = 0, system = 0;

    if (!p ||
        sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
        return 0;
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

int proc_use(pid_t pid, struct proc_use *ret)
{
    char *stat = read_proc(pid, "stat"), *status = read_proc(pid, "status");
    int rc = stat && status ? 0 : -1;

    if (rc == 0)
        *ret = (struct proc_use){.cpu_s = cpu_seconds(stat),
                                 .rss_mb = kilobytes(status, "VmRSS:") / 1024,
                                 .anon_mb = kilobytes(status, "RssAnon:") / 1024};
    free(stat);
    free(status);
    return rc;
}
