/*
 * Times commands, interleaved, and says their medians.
 *
 *   lap ROUNDS CASE...
 *
 * A CASE is a folder: `argv` and `env` (one word a line, the whole environment), `cwd` (a line),
 * and, where there is need, `stdin`, `before` and `after` (programs run around each round, untimed,
 * with the round's number) and `sample` (look at the anonymous memory during one more round).
 * Output: name, median and least microseconds, peak resident and peak sampled anonymous KiB.
 * Each round runs the cases in another order, drawn from a generator with a fixed seed.
 *
 * Each case has a process of its own above its commands, whose command line is that of
 * `git-receive-pack CWD`: hooks look for one.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct result { int64_t ns; long rss, anon; int status; };
struct worker { const char *folder; int to, from; int64_t *ns; long rss, anon; };

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static char *slurp(const char *folder, const char *name, int required)
{
	char path[4096];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	FILE *f = fopen(path, "r");
	if (!f) {
		if (required)
			die(path);
		return NULL;
	}
	char *text = NULL;
	size_t size = 0;
	if (getdelim(&text, &size, '\0', f) < 0)
		text = strdup("");
	fclose(f);
	return text;
}

static char **lines(char *text)
{
	size_t n = 1;
	for (char *p = text; *p; p++)
		n += *p == '\n';
	char **out = calloc(n + 1, sizeof *out);
	n = 0;
	for (char *p = strtok(text, "\n"); p; p = strtok(NULL, "\n"))
		out[n++] = p;
	return out;
}

static int64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static long anonymous(pid_t pid)
{
	char path[64], line[256];
	long kib = 0;
	snprintf(path, sizeof path, "/proc/%d/status", pid);
	FILE *f = fopen(path, "r");
	while (f && fgets(line, sizeof line, f))
		sscanf(line, "RssAnon: %ld", &kib);
	if (f)
		fclose(f);
	return kib;
}

static struct result run(const char *folder, char **argv, char **env, const char *cwd, int sample)
{
	struct result r = { 0 };
	char in[4096], log[4096];
	posix_spawn_file_actions_t act;
	struct rusage use;
	pid_t pid;

	snprintf(in, sizeof in, "%s/stdin", folder);
	snprintf(log, sizeof log, "%s/log", folder);
	posix_spawn_file_actions_init(&act);
	posix_spawn_file_actions_addopen(&act, 0, access(in, R_OK) ? "/dev/null" : in, O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&act, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&act, 2, log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	posix_spawn_file_actions_addchdir_np(&act, cwd);
	int64_t start = now();
	if (posix_spawn(&pid, argv[0], &act, NULL, argv, env))
		die(argv[0]);
	while (sample) {
		long kib = anonymous(pid);
		r.anon = kib > r.anon ? kib : r.anon;
		if (wait4(pid, &r.status, WNOHANG, &use) == pid)
			break;
		usleep(1000);
	}
	if (!sample && wait4(pid, &r.status, 0, &use) < 0)
		die("wait");
	r.ns = now() - start;
	r.rss = use.ru_maxrss;
	posix_spawn_file_actions_destroy(&act);
	return r;
}

static void around(const char *folder, const char *name, int round)
{
	char path[4096], number[16];
	extern char **environ;
	int status;
	pid_t pid;
	snprintf(path, sizeof path, "%s/%s", folder, name);
	snprintf(number, sizeof number, "%d", round);
	if (access(path, X_OK))
		return;
	char *argv[] = { path, number, NULL };
	if (posix_spawn(&pid, path, NULL, NULL, argv, environ) || waitpid(pid, &status, 0) < 0)
		die(path);
	if (status) {
		fprintf(stderr, "lap: %s failed\n", path);
		exit(2);
	}
}

/* The process above the commands of a case. A round's number comes in, its result goes out. */
static int work(const char *folder)
{
	char **argv = lines(slurp(folder, "argv", 1));
	char **env = lines(slurp(folder, "env", 1));
	char *cwd = strtok(slurp(folder, "cwd", 1), "\n");
	int round;
	while (read(0, &round, sizeof round) == sizeof round) {
		around(folder, "before", abs(round));
		struct result r = run(folder, argv, env, cwd, round < 0);
		if (!r.status)
			around(folder, "after", abs(round));
		if (write(1, &r, sizeof r) != sizeof r)
			return 2;
	}
	return 0;
}

static void hire(struct worker *w, const char *folder, int rounds)
{
	int to[2], from[2];
	if (pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC))
		die("pipe");
	if (!fork()) {
		char *text = slurp(folder, "cwd", 1);
		dup2(to[0], 0);
		dup2(from[1], 1);
		execl("/proc/self/exe", "git-receive-pack", folder, strtok(text, "\n"), NULL);
		die("exec");
	}
	close(to[0]);
	close(from[1]);
	*w = (struct worker){ folder, to[1], from[0], calloc(rounds, sizeof(int64_t)), 0, 0 };
}

static struct result ask(struct worker *w, int round)
{
	struct result r;
	if (write(w->to, &round, sizeof round) != sizeof round ||
	    read(w->from, &r, sizeof r) != sizeof r)
		exit(2);
	if (r.status) {
		char *log = slurp(w->folder, "log", 0);
		fprintf(stderr, "lap: %s failed (status %d)\n%s", w->folder, r.status, log ? log : "");
		exit(1);
	}
	w->rss = r.rss > w->rss ? r.rss : w->rss;
	w->anon = r.anon > w->anon ? r.anon : w->anon;
	return r;
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

/* The next number of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators). */
static uint64_t draw(void)
{
	static uint64_t state = 1;
	uint64_t z = state += 0x9e3779b97f4a7c15;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* Each order as likely as any other (Fisher and Yates): no case always follows the same one. */
static void shuffle(int *order, int n)
{
	for (int i = n - 1; i > 0; i--) {
		int j = draw() % (i + 1), other = order[j];
		order[j] = order[i];
		order[i] = other;
	}
}

int main(int argc, char **argv)
{
	if (!strcmp(argv[0], "git-receive-pack"))
		return work(argv[1]);
	int rounds = argc > 2 ? atoi(argv[1]) : 0, n = argc - 2;
	if (rounds < 1) {
		fprintf(stderr, "usage: lap ROUNDS CASE...\n");
		return 2;
	}
	struct worker *w = calloc(n, sizeof *w);
	int *order = calloc(n, sizeof *order);
	for (int i = 0; i < n; i++) {
		hire(&w[i], argv[2 + i], rounds);
		order[i] = i;
	}
	/* One round to warm up. */
	for (int round = 0; round <= rounds; round++) {
		shuffle(order, n);
		for (int k = 0; k < n; k++) {
			int i = order[k];
			int64_t ns = ask(&w[i], round + 1).ns;
			if (round)
				w[i].ns[round - 1] = ns;
		}
	}
	for (int i = 0; i < n; i++) {
		char path[4096];
		snprintf(path, sizeof path, "%s/sample", w[i].folder);
		if (!access(path, F_OK))
			ask(&w[i], -(rounds + 2));
		qsort(w[i].ns, rounds, sizeof(int64_t), compare);
		const char *slash = strrchr(w[i].folder, '/');
		printf("%s\t%.1f\t%.1f\t%ld\t%ld\n", slash ? slash + 1 : w[i].folder,
		       w[i].ns[rounds / 2] / 1000.0, w[i].ns[0] / 1000.0, w[i].rss, w[i].anon);
	}
	return 0;
}
