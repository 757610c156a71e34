/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The store's directory, its lock, the owner, and the port.  What concerns
 * nginx itself is in durable_nginx.c.
 */

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <netdb.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "engine/dur_store.h"

#include "durable_nginx.h"
#include "durable_setup.h"


/* An nginx that is just ending may hold the store for a moment. */
#define DURABLE_LEADER_TRIES  60
#define DURABLE_LEADER_NAP    50        /* ms */


bool
durable_setup_fail(durable_setup_t *s, const char *fmt, ...)
{
    va_list  ap;

    va_start(ap, fmt);
    vsnprintf(s->error, sizeof(s->error), fmt, ap);
    va_end(ap);

    return false;
}


static int
durable_remove_one(const char *path, const struct stat *st, int type,
    struct FTW *ftw)
{
    (void) st;
    (void) type;
    (void) ftw;

    (void) remove(path);

    return 0;
}


void
durable_remove_tree(const char *path)
{
    (void) nftw(path, durable_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}


static bool
durable_setup_temporary(durable_setup_t *s)
{
    const char  *dir;

    dir = getenv("TMPDIR");

    if (dir == NULL || *dir != '/'
        || strlen(dir) + sizeof("/durable-XXXXXX") > DURABLE_STORE_PATH_MAX)
    {
        dir = "/tmp";
    }

    snprintf(s->store, sizeof(s->store), "%s/durable-XXXXXX", dir);

    if (mkdtemp(s->store) == NULL) {
        return durable_setup_fail(s, "No temporary directory can be made in "
                                  "%s (%s): point TMPDIR to another, or use "
                                  "--store.", dir, strerror(errno));
    }

    s->temporary = true;

    return true;
}


/* The absolute name of the store; made when it is not there. */
static bool
durable_setup_store(durable_setup_t *s, bool make)
{
    char         full[PATH_MAX], cwd[PATH_MAX];
    size_t       len;
    const char  *path, *p;

    path = s->options->store != NULL ? s->options->store : ".durable";

    if (make && mkdir(path, 0700) == -1 && errno != EEXIST) {
        if (errno == ENOENT) {
            return durable_setup_fail(s, "The store %s cannot be made: the "
                                      "directory above it does not exist.",
                                      path);
        }

        return durable_setup_fail(s, "The store %s cannot be made (%s): "
                                  "choose another with --store.", path,
                                  strerror(errno));
    }

    if (realpath(path, full) == NULL) {
        if (make || errno != ENOENT || getcwd(cwd, sizeof(cwd)) == NULL) {
            return durable_setup_fail(s, "The store %s cannot be reached: "
                                      "%s.", path, strerror(errno));
        }

        /* --print-config makes nothing. */
        if (snprintf(full, sizeof(full), "%s%s%s", *path == '/' ? "" : cwd,
                     *path == '/' ? "" : "/", path) >= (int) sizeof(full))
        {
            return durable_setup_fail(s, "The path of the store is too long "
                                      "for sockets in it: choose another "
                                      "with --store.");
        }
    }

    for (p = full; *p != '\0'; p++) {
        if ((unsigned char) *p < ' ' || *p == '"' || *p == '\\') {
            return durable_setup_fail(s, "The path of the store holds quotes "
                                      "or control characters: choose another "
                                      "with --store.");
        }
    }

    len = strlen(full);

    if (len > DURABLE_STORE_PATH_MAX) {
        return durable_setup_fail(s, "The path of the store is too long for "
                                  "sockets in it (%zu characters, at most "
                                  "%d): choose another with --store.",
                                  len, DURABLE_STORE_PATH_MAX);
    }

    memcpy(s->store, full, len + 1);

    return true;
}


/* Whether the owner of the store gets to it: only root has to ask. */
static bool
durable_setup_reach(durable_setup_t *s)
{
    int    status;
    pid_t  pid;

    if (s->uid == 0) {
        return true;
    }

    pid = fork();

    if (pid == 0) {
        _exit(setgroups(0, NULL) == -1 || setgid(s->gid) == -1
              || setuid(s->uid) == -1
              || access(s->store, R_OK | W_OK | X_OK) == -1);
    }

    if (pid == -1 || waitpid(pid, &status, 0) != pid) {
        return durable_setup_fail(s, "No process can be started: %s.",
                                  strerror(errno));
    }

    return status == 0
           || durable_setup_fail(s, "The store %s belongs to %s, who cannot "
                                 "reach or write it: open the directories "
                                 "above it with chmod, or give it to another "
                                 "with chown.", s->store, s->user);
}


static bool
durable_setup_owner(durable_setup_t *s)
{
    char            data[PATH_MAX];
    struct stat     st;
    struct group   *gr;
    struct passwd  *pw;

    if (stat(s->store, &st) == -1) {
        return durable_setup_fail(s, "The store %s cannot be reached: %s.",
                                  s->store, strerror(errno));
    }

    if (!S_ISDIR(st.st_mode)) {
        return durable_setup_fail(s, "The store %s is not a directory: choose "
                                  "another with --store.", s->store);
    }

    s->root = geteuid() == 0;
    s->uid = st.st_uid;
    s->gid = st.st_gid;

    pw = getpwuid(st.st_uid);
    snprintf(s->user, sizeof(s->user), "%s", pw != NULL ? pw->pw_name : "");
    gr = getgrgid(st.st_gid);
    snprintf(s->group, sizeof(s->group), "%s", gr != NULL ? gr->gr_name : "");

    if (s->root) {
        if (pw == NULL || gr == NULL) {
            return durable_setup_fail(s, "The store %s belongs to a user or "
                                      "group without a name (%u:%u): give it "
                                      "to one with chown.", s->store,
                                      (unsigned) st.st_uid,
                                      (unsigned) st.st_gid);
        }

        return durable_setup_reach(s);
    }

    snprintf(data, sizeof(data), "%s/data.mdb", s->store);

    if (access(s->store, R_OK | W_OK | X_OK) == -1
        || (access(data, R_OK | W_OK) == -1 && errno != ENOENT))
    {
        return durable_setup_fail(s, "The store %s cannot be written (%s; its "
                                  "owner is %s): run as that user, or choose "
                                  "another with --store.", s->store,
                                  strerror(errno),
                                  pw != NULL ? pw->pw_name : "unknown");
    }

    return true;
}


static bool
durable_setup_lock(durable_setup_t *s)
{
    char     path[PATH_MAX], text[32];
    ssize_t  n;

    snprintf(path, sizeof(path), "%s/instance.lock", s->store);

    s->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->lock == -1) {
        return durable_setup_fail(s, "The store cannot be locked: %s: %s.",
                                  path, strerror(errno));
    }

    if (flock(s->lock, LOCK_EX | LOCK_NB) == -1) {
        n = read(s->lock, text, sizeof(text) - 1);
        text[n > 0 ? n : 0] = '\0';
        text[strspn(text, "0123456789")] = '\0';

        close(s->lock);
        s->lock = -1;

        return durable_setup_fail(s, "The store %s is in use by another "
                                  "durable%s%s: stop it, or choose another "
                                  "with --store.", s->store,
                                  *text != '\0' ? ", process " : "", text);
    }

    n = snprintf(text, sizeof(text), "%ld\n", (long) getpid());

    if ((s->root && fchown(s->lock, s->uid, s->gid) == -1)
        || ftruncate(s->lock, 0) == -1
        || pwrite(s->lock, text, n, 0) != n)
    {
        return durable_setup_fail(s, "The store %s cannot be written: %s.",
                                  s->store, strerror(errno));
    }

    return true;
}


/* An nginx without `durable` may lead the store (design section 4). */
static bool
durable_setup_leader(durable_setup_t *s)
{
    int              fd, i;
    bool             free;
    char             path[PATH_MAX];
    struct timespec  nap;

    snprintf(path, sizeof(path), "%s/leader.lock", s->store);

    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1) {
        return true;
    }

    nap.tv_sec = 0;
    nap.tv_nsec = DURABLE_LEADER_NAP * 1000000L;
    free = false;

    for (i = 0; i < DURABLE_LEADER_TRIES; i++) {
        free = flock(fd, LOCK_SH | LOCK_NB) == 0;
        if (free) {
            break;
        }
        (void) nanosleep(&nap, NULL);
    }

    close(fd);

    return free
           || durable_setup_fail(s, "The store %s is in use by an nginx that "
                                 "runs already: stop it, or choose another "
                                 "with --store.", s->store);
}


static bool
durable_setup_run_dir(durable_setup_t *s)
{
    snprintf(s->run, sizeof(s->run), "%s/run", s->store);

    /* What an instance that was killed left; we hold the lock. */
    durable_remove_tree(s->run);

    if (mkdir(s->run, 0700) == -1) {
        return durable_setup_fail(s, "%s cannot be made: %s.", s->run,
                                  strerror(errno));
    }

    s->made = true;

    if (s->root && s->uid != 0 && chown(s->run, s->uid, s->gid) == -1) {
        return durable_setup_fail(s, "%s cannot be given to %s: %s.", s->run,
                                  s->user, strerror(errno));
    }

    return true;
}


/* Whether the port can be listened on: 0 or an errno. */
static int
durable_port_try(const struct addrinfo *ai)
{
    int  fd, one, err;

    fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd == -1) {
        return errno;
    }

    one = 1;
    err = 0;
    (void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));

    if (bind(fd, ai->ai_addr, ai->ai_addrlen) == -1 || listen(fd, 1) == -1) {
        err = errno;
    }

    close(fd);

    return err;
}


static int
durable_port_check(durable_setup_t *s, unsigned port, const char **what)
{
    int               err;
    char              text[16];
    struct addrinfo   hints, *list, *ai;

    memset(&hints, 0, sizeof(hints));
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;

    snprintf(text, sizeof(text), "%u", port);

    err = getaddrinfo(s->options->address, text, &hints, &list);
    if (err != 0) {
        *what = gai_strerror(err);
        return EADDRNOTAVAIL;
    }

    for (ai = list; ai != NULL; ai = ai->ai_next) {
        err = durable_port_try(ai);
        if (err != 0) {
            break;
        }
    }

    freeaddrinfo(list);
    *what = strerror(err);

    return err;
}


bool
durable_setup_port(durable_setup_t *s)
{
    int                       err;
    unsigned                  i, port, tries;
    const char               *what;
    const durable_settings_t  *o = s->options;

    port = o->port != 0 ? o->port : DURABLE_PORT_DEFAULT;
    tries = o->port != 0 ? 1 : DURABLE_PORT_TRIES;
    err = 0;

    for (i = 0; i < tries; i++) {
        err = durable_port_check(s, port + i, &what);
        if (err == 0) {
            s->port = port + i;
            return true;
        }
        if (err != EADDRINUSE) {
            break;
        }
    }

    switch (err) {

    case EADDRINUSE:
        if (tries > 1) {
            return durable_setup_fail(s, "All ports of %s from %u to %u are "
                                      "taken: choose one with --port.",
                                      o->host, port, port + tries - 1);
        }

        return durable_setup_fail(s, "Port %u of %s is taken (%s): end the "
                                  "program that listens there, or choose "
                                  "another port with --port.", port, o->host,
                                  o->port_where);

    case EACCES:
        return durable_setup_fail(s, "Port %u may not be used by this user: "
                                  "choose one from 1024 with --port, or run "
                                  "as root.", port);

    case EADDRNOTAVAIL:
        return durable_setup_fail(s, "%s is no address of this machine (%s): "
                                  "choose another with --host.", o->address,
                                  what);

    default:
        return durable_setup_fail(s, "%s:%u cannot be listened on: %s.",
                                  o->host, port, what);
    }
}


static bool
durable_setup_token(durable_setup_t *s)
{
    size_t         i;
    unsigned char  random[16];

    if (getrandom(random, sizeof(random), 0) != sizeof(random)) {
        return durable_setup_fail(s, "The system gives no random bytes: %s.",
                                  strerror(errno));
    }

    for (i = 0; i < sizeof(random); i++) {
        snprintf(s->token + 2 * i, 3, "%02x", random[i]);
    }

    return true;
}


bool
durable_setup_init(durable_setup_t *s, const durable_settings_t *o)
{
    memset(s, 0, sizeof(*s));

    s->options = o;
    s->lock = -1;
    s->port = o->port != 0 ? o->port : DURABLE_PORT_DEFAULT;

    if (!durable_setup_token(s)) {
        return false;
    }

    if (!durable_nginx_find(s) || !durable_nginx_find_module(s)) {
        return false;
    }

    durable_nginx_find_dashboard(s);

    if (o->print_config) {
        if (!durable_setup_store(s, false)) {
            return false;
        }

        snprintf(s->run, sizeof(s->run), "%s/run", s->store);

        /* Without a store yet, nginx keeps the user it has by default. */
        return access(s->store, F_OK) == -1
               || durable_setup_owner(s);
    }

    if (!durable_setup_port(s)) {
        return false;
    }

    if (o->store == NULL ? !durable_setup_temporary(s)
                         : !durable_setup_store(s, true))
    {
        return false;
    }

    if (dur_store_check_format(s->store, s->error, sizeof(s->error))
        != DUR_OK)
    {
        return false;
    }

    return durable_setup_owner(s)
           && durable_setup_lock(s)
           && durable_setup_leader(s)
           && durable_setup_run_dir(s);
}


void
durable_setup_deinit(durable_setup_t *s)
{
    if (s->temporary) {
        durable_remove_tree(s->store);

    } else if (s->made) {
        durable_remove_tree(s->run);
    }

    if (s->lock != -1) {
        close(s->lock);
        s->lock = -1;
    }

    s->temporary = false;
    s->made = false;
}
