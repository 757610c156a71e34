/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Finding nginx, writing its configuration, reading its messages.  See
 * durable_nginx.h.
 */

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/resource.h>
#include <sys/wait.h>

#include "durable_health.h"
#include "durable_nginx.h"


#define DURABLE_MODULE_NAME  "ngx_http_durable_module.so"
#define DURABLE_NOFILE       8192


/* The parts of nginx that want a directory for temporary files. */
static const char *const  durable_temp[DURABLE_TEMP_MAX] = {
    "client_body", "proxy", "fastcgi", "uwsgi", "scgi"
};


static bool
durable_is_program(const char *path)
{
    return access(path, X_OK) == 0;
}


static bool
durable_path_find(const char *name, char *out, size_t size)
{
    size_t       len;
    const char  *p;

    for (p = getenv("PATH"); p != NULL && *p != '\0'; p += len + (p[len] != 0))
    {
        len = strcspn(p, ":");

        if (len > 0
            && snprintf(out, size, "%.*s/%s", (int) len, p, name) < (int) size
            && durable_is_program(out))
        {
            return true;
        }
    }

    return false;
}


/* What `nginx -V` says: its version and how it was configured. */
static bool
durable_nginx_about(const char *nginx, char *text, size_t size)
{
    int      fd[2], status;
    pid_t    pid;
    size_t   len;
    ssize_t  n;

    if (pipe2(fd, O_CLOEXEC) == -1) {
        return false;
    }

    pid = fork();

    if (pid == 0) {
        (void) dup2(fd[1], STDOUT_FILENO);
        (void) dup2(fd[1], STDERR_FILENO);
        execl(nginx, "nginx", "-V", (char *) NULL);
        _exit(127);
    }

    close(fd[1]);

    if (pid == -1) {
        close(fd[0]);
        return false;
    }

    len = 0;

    do {
        n = read(fd[0], text + len, size - 1 - len);
        len += n > 0 ? (size_t) n : 0;
    } while ((n > 0 && len < size - 1) || (n == -1 && errno == EINTR));

    text[len] = '\0';
    close(fd[0]);

    while (waitpid(pid, &status, 0) == -1 && errno == EINTR) {
        /* void */
    }

    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}


bool
durable_nginx_find(durable_setup_t *s)
{
    static const char *const  places[] = { "/usr/sbin/nginx",
                                           "/usr/local/sbin/nginx",
                                           "/usr/local/nginx/sbin/nginx" };

    bool         found;
    char         about[16384], without[64], *p;
    size_t       i, len;
    const char  *asked;

    asked = s->options->nginx;
    found = false;

    if (asked != NULL && strchr(asked, '/') != NULL) {
        snprintf(s->nginx, sizeof(s->nginx), "%s", asked);
        found = durable_is_program(s->nginx);

    } else {
        found = durable_path_find(asked != NULL ? asked : "nginx", s->nginx,
                                  sizeof(s->nginx));
    }

    if (!found && asked != NULL) {
        return durable_setup_fail(s, "There is no nginx at %s.", asked);
    }

    for (i = 0; !found && i < sizeof(places) / sizeof(places[0]); i++) {
        snprintf(s->nginx, sizeof(s->nginx), "%s", places[i]);
        found = durable_is_program(s->nginx);
    }

    if (!found) {
        return durable_setup_fail(s, "nginx is not installed: `apt install "
                                  "nginx` (or give its path with --nginx).");
    }

    if (!durable_nginx_about(s->nginx, about, sizeof(about))
        || (p = strstr(about, "nginx version: ")) == NULL)
    {
        return durable_setup_fail(s, "%s does not answer `-V` as nginx does: "
                                  "give the path of nginx with --nginx.",
                                  s->nginx);
    }

    p += strlen("nginx version: ");
    len = strcspn(p, " \n");
    snprintf(s->version, sizeof(s->version), "%.*s", (int) len, p);

    for (i = 0; i < DURABLE_TEMP_MAX; i++) {
        snprintf(without, sizeof(without), "--without-http_%s_module",
                 durable_temp[i]);
        s->temp[i] = strstr(about, without) == NULL;
    }

    return true;
}


bool
durable_nginx_find_module(durable_setup_t *s)
{
    static const char *const  places[] = {
        "%s/" DURABLE_MODULE_NAME,
        "%s/../lib/nginx/modules/" DURABLE_MODULE_NAME,
        "/usr/lib/nginx/modules/" DURABLE_MODULE_NAME,
        "/usr/local/lib/nginx/modules/" DURABLE_MODULE_NAME,
        "/usr/lib64/nginx/modules/" DURABLE_MODULE_NAME
    };

    char     dir[PATH_MAX], path[PATH_MAX + 64], *slash;
    size_t   i;
    ssize_t  n;

    if (s->options->module != NULL) {
        if (realpath(s->options->module, s->module) == NULL
            || access(s->module, R_OK) == -1)
        {
            return durable_setup_fail(s, "The module %s cannot be read: %s.",
                                      s->options->module, strerror(errno));
        }

        return true;
    }

    n = readlink("/proc/self/exe", dir, sizeof(dir) - 1);
    dir[n > 0 ? n : 0] = '\0';

    slash = strrchr(dir, '/');
    if (slash != NULL) {
        *slash = '\0';
    }

    for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (i < 2) {
            snprintf(path, sizeof(path), "%s%s", dir, places[i] + 2);
        } else {
            snprintf(path, sizeof(path), "%s", places[i]);
        }

        if (access(path, R_OK) == 0 && realpath(path, s->module) != NULL) {
            return true;
        }
    }

    return durable_setup_fail(s, DURABLE_MODULE_NAME " is neither in %s nor "
                              "in /usr/lib/nginx/modules: build it with "
                              "`make`, or give its path with --module.", dir);
}


void
durable_nginx_find_dashboard(durable_setup_t *s)
{
    static const char *const  places[] = {
        "dashboard", "../../../share/nginx-durable/dashboard"
    };

    int     len;
    char    path[PATH_MAX + 64];
    size_t  i;

    len = (int) (strrchr(s->module, '/') - s->module);

    for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        snprintf(path, sizeof(path), "%.*s/%s/index.html", len, s->module,
                 places[i]);

        if (access(path, R_OK) == 0 && realpath(path, s->dashboard) != NULL) {
            *strrchr(s->dashboard, '/') = '\0';
            return;
        }
    }

    s->dashboard[0] = '\0';
}


/* A token of nginx.conf in quotes. */
static void
durable_conf_quote(dur_buf_t *out, const char *text)
{
    (void) dur_buf_addc(out, '"');

    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') {
            (void) dur_buf_addc(out, '\\');
        }
        (void) dur_buf_addc(out, (uint8_t) *text);
    }

    (void) dur_buf_addc(out, '"');
}


static void
durable_conf_text(dur_buf_t *out, const char *directive, const char *text)
{
    (void) dur_buf_addf(out, "%s ", directive);
    durable_conf_quote(out, text);
    (void) dur_buf_addz(out, ";\n");
}


static bool
durable_key_is_text(const char *key)
{
    return strncmp(key, "env:", 4) != 0 && strncmp(key, "file:", 5) != 0;
}


/* One key as nginx is to find it: env:, file: with a full path. */
static void
durable_conf_key(const durable_setup_t *s, dur_buf_t *out, const char *key,
    const char *name, size_t n)
{
    char  path[PATH_MAX], full[PATH_MAX + 8];

    if (durable_key_is_text(key)) {
        snprintf(full, sizeof(full), "file:%s/%s.%zu", s->run, name, n);
        key = full;

    } else if (strncmp(key, "file:", 5) == 0
               && realpath(key + 5, path) != NULL)
    {
        snprintf(full, sizeof(full), "file:%s", path);
        key = full;
    }

    (void) dur_buf_addc(out, ' ');
    durable_conf_quote(out, key);
}


static void
durable_conf_keys(const durable_setup_t *s, dur_buf_t *out)
{
    size_t                    i;
    const durable_settings_t  *o = s->options;

    for (i = 0; i < o->nevent_keys; i++) {
        (void) dur_buf_addz(out, "    durable_event_key");
        durable_conf_key(s, out, o->event_keys[i], "event-key", i + 1);
        (void) dur_buf_addz(out, ";\n");
    }

    if (o->signing_key != NULL) {
        (void) dur_buf_addz(out, "    durable_signing_key");
        durable_conf_key(s, out, o->signing_key, "signing-key", 1);

        if (o->signing_key_fallback != NULL) {
            durable_conf_key(s, out, o->signing_key_fallback, "signing-key",
                             2);
        }

        (void) dur_buf_addz(out, ";\n");
    }
}


static void
durable_conf_durable(const durable_setup_t *s, dur_buf_t *out)
{
    int64_t                   poll;
    size_t                    i;
    char                      text[PATH_MAX];
    const durable_settings_t  *o = s->options;

    durable_conf_text(out, "    durable_store", s->store);

    snprintf(text, sizeof(text), "unix:%s/sidecar.sock", s->run);
    durable_conf_text(out, "    durable_sidecar", text);

    (void) dur_buf_addf(out, "    durable_mode %s;\n",
                        o->command == DURABLE_CMD_DEV ? "dev" : "production");
    durable_conf_keys(s, out);

    for (i = 0; i < o->nurls; i++) {
        durable_conf_text(out, "    durable_app", o->urls[i]);
    }

    poll = o->poll_interval;

    if (!o->poll) {
        poll = 0;

    } else if (poll == -1) {
        poll = o->command == DURABLE_CMD_DEV ? 5000 : 0;
    }

    (void) dur_buf_addf(out, "    durable_poll_interval %lldms;\n",
                        (long long) poll);

    if (o->retry_interval > 0) {
        (void) dur_buf_addf(out, "    durable_retry_interval %lldms;\n",
                            (long long) o->retry_interval);
    }

    (void) dur_buf_addf(out, "    durable_discovery %s;\n",
                        o->discovery ? "on" : "off");
}


/* Who opens a server in dev mode with a browser wants its page. */
static void
durable_conf_dashboard(const durable_setup_t *s, dur_buf_t *out)
{
    char  root[PATH_MAX + 8];

    if (s->dashboard[0] == '\0') {
        return;
    }

    snprintf(root, sizeof(root), "root=%s", s->dashboard);

    (void) dur_buf_addz(out, "\n        location /durable/ {\n");
    durable_conf_text(out, "            durable_dashboard", root);
    (void) dur_buf_addz(out, "        }\n");

    if (s->options->command == DURABLE_CMD_DEV) {
        (void) dur_buf_addz(out, "\n        set $durable_page "
                                 "\"$request_method $uri $http_accept\";\n\n"
                                 "        if ($durable_page ~ "
                                 "\"^GET / .*text/html\") {\n"
                                 "            return 302 /durable/;\n"
                                 "        }\n");
    }
}


void
durable_nginx_conf(const durable_setup_t *s, dur_buf_t *out)
{
    static const char *const  levels[] = { "warn", "info", "debug" };

    char                      path[PATH_MAX], name[32];
    size_t                    i;
    rlim_t                    files;
    const char               *level;
    struct rlimit             rl;
    const durable_settings_t  *o = s->options;

    level = levels[o->verbose < 2 ? o->verbose : 2];
    files = getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_max < DURABLE_NOFILE
            ? rl.rlim_max : DURABLE_NOFILE;

    (void) dur_buf_addf(out, "# Written by `durable %s`.\n\n",
                        o->command == DURABLE_CMD_DEV ? "dev" : "start");

    (void) dur_buf_addz(out, "daemon off;\n");
    durable_conf_text(out, "load_module", s->module);

    if (s->root && s->user[0] != '\0') {
        (void) dur_buf_addf(out, "user \"%s\" \"%s\";\n", s->user, s->group);
    }

    if (o->workers == 0) {
        (void) dur_buf_addz(out, "worker_processes auto;\n");
    } else {
        (void) dur_buf_addf(out, "worker_processes %u;\n", o->workers);
    }

    (void) dur_buf_addf(out, "worker_rlimit_nofile %lu;\n",
                        (unsigned long) files);
    snprintf(path, sizeof(path), "%s/nginx.pid", s->run);
    durable_conf_text(out, "pid", path);
    (void) dur_buf_addf(out, "error_log stderr %s;\n\n"
                        "events {\n    worker_connections %lu;\n}\n\n"
                        "http {\n", level, (unsigned long) files / 2);

    durable_conf_durable(s, out);

    (void) dur_buf_addz(out, "\n    access_log off;\n"
                        "    server_tokens off;\n"
                        "    client_max_body_size 16m;\n");

    for (i = 0; i < DURABLE_TEMP_MAX; i++) {
        if (!s->temp[i]) {
            continue;
        }

        snprintf(name, sizeof(name), "    %s_temp_path", durable_temp[i]);
        snprintf(path, sizeof(path), "%s/%s", s->run, durable_temp[i]);
        durable_conf_text(out, name, path);
    }

    (void) dur_buf_addf(out, "\n    server {\n        listen %s:%u;\n"
                        "        absolute_redirect off;\n\n"
                        "        location / {\n"
                        "            durable_server;\n        }\n\n"
                        "        location = /durable/status {\n"
                        "            durable_status;\n        }\n\n"
                        "        location = %s {\n"
                        "            return 200 \"%s\\n\";\n        }\n",
                        o->host, s->port, DURABLE_HEALTH_TOKEN, s->token);

    durable_conf_dashboard(s, out);
    (void) dur_buf_addz(out, "    }\n}\n");
}


static bool
durable_file_write(durable_setup_t *s, const char *name, const char *text,
    size_t len)
{
    int      fd;
    bool     ok;
    char     path[PATH_MAX];
    ssize_t  n;

    snprintf(path, sizeof(path), "%s/%s", s->run, name);

    (void) unlink(path);

    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd == -1) {
        return durable_setup_fail(s, "%s cannot be written: %s.", path,
                                  strerror(errno));
    }

    n = write(fd, text, len);
    ok = n == (ssize_t) len;

    if (!ok) {
        (void) durable_setup_fail(s, "%s cannot be written: %s.", path,
                                  n == -1 ? strerror(errno)
                                          : "the disk is full");
    }

    close(fd);

    return ok;
}


static bool
durable_key_write(durable_setup_t *s, const char *key, const char *name,
    size_t n)
{
    char  file[64];

    if (key == NULL || !durable_key_is_text(key)) {
        return true;
    }

    snprintf(file, sizeof(file), "%s.%zu", name, n);

    return durable_file_write(s, file, key, strlen(key));
}


bool
durable_nginx_write(durable_setup_t *s)
{
    bool                      ok;
    size_t                    i;
    dur_buf_t                 out;
    const durable_settings_t  *o = s->options;

    for (i = 0; i < o->nevent_keys; i++) {
        if (!durable_key_write(s, o->event_keys[i], "event-key", i + 1)) {
            return false;
        }
    }

    if (!durable_key_write(s, o->signing_key, "signing-key", 1)
        || !durable_key_write(s, o->signing_key_fallback, "signing-key", 2))
    {
        return false;
    }

    dur_buf_init(&out, DURABLE_CONF_MAX);
    durable_nginx_conf(s, &out);

    if (out.failed) {
        ok = durable_setup_fail(s, "The configuration is too long: give fewer "
                                "apps.");
    } else {
        ok = durable_file_write(s, "nginx.conf", (char *) out.data, out.len);
    }

    dur_buf_deinit(&out);

    return ok;
}


void
durable_nginx_explain(durable_setup_t *s, const char *message)
{
    if (strstr(message, "is not binary compatible") != NULL
        || (strstr(message, DURABLE_MODULE_NAME) != NULL
            && strstr(message, " version ") != NULL
            && strstr(message, " instead of ") != NULL))
    {
        (void) durable_setup_fail(s, "The module %s was built for another "
                                  "nginx than %s (%s): build it for this one "
                                  "with `make clean all`, or name the other "
                                  "with --nginx.", s->module, s->nginx,
                                  s->version);

    } else if (strstr(message, "dlopen()") != NULL) {
        (void) durable_setup_fail(s, "nginx cannot load the module; `make "
                                  "deps` installs the libraries it needs: "
                                  "%.400s", message);

    } else if (strstr(message, "unknown directive \"durable_") != NULL) {
        (void) durable_setup_fail(s, "The module %s is of another version "
                                  "than this program; build both with "
                                  "`make`: %.400s", s->module, message);

    } else if (strstr(message, "bind()") != NULL
               && strstr(message, "(98:") != NULL)
    {
        (void) durable_setup_fail(s, "Port %u of %s was taken in the "
                                  "meantime: start again, or choose another "
                                  "with --port.", s->port, s->options->host);

    } else if (strstr(message, "still could not bind") != NULL) {
        (void) durable_setup_fail(s, "Port %u of %s is taken: choose another "
                                  "with --port.", s->port, s->options->host);

    } else {
        (void) durable_setup_fail(s, "nginx could not start: %.800s",
                                  message);
    }
}


/* "2024/05/01 10:00:00 [error] 12#12: *3 message" */
void
durable_nginx_log_line(char *line, const char **level, const char **message)
{
    char  *open, *close, *p;

    *level = "";
    *message = line;

    open = strchr(line, '[');

    if (open == NULL || open - line > 24
        || (close = strchr(open, ']')) == NULL || close - open > 10
        || close[1] != ' ')
    {
        return;
    }

    p = close + 2;

    if (isdigit((unsigned char) *p)) {
        p += strspn(p, "0123456789#");
        if (p[0] != ':' || p[1] != ' ') {
            return;
        }
        p += 2;
    }

    if (*p == '*') {
        p++;
        p += strspn(p, "0123456789");
        p += strspn(p, " ");
    }

    *close = '\0';
    *level = open + 1;
    *message = p;
}
