/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * `durable dev` and `durable start`: the whole server in the foreground, with
 * the words of `inngest dev` and `inngest start`.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "durable.h"
#include "durable_flags.h"
#include "durable_nginx.h"
#include "durable_options.h"
#include "durable_print.h"
#include "durable_setup.h"
#include "durable_supervise.h"


static void
durable_banner_url(const durable_setup_t *s, char *url, size_t size)
{
    const char  *host = s->options->host;

    if (strcmp(host, "0.0.0.0") == 0) {
        host = "127.0.0.1";

    } else if (strcmp(host, "[::]") == 0) {
        host = "[::1]";
    }

    snprintf(url, size, "http://%s:%u", host, s->port);
}


static void
durable_banner_apps(const durable_settings_t *o)
{
    size_t  i;

    for (i = 0; i < o->nurls; i++) {
        printf("  %-11s%s\n", i == 0 ? "Apps" : "", o->urls[i]);
    }

    if (o->discovery) {
        printf("  %-11s%s\n", o->nurls == 0 ? "Apps" : "",
               o->nurls == 0 ? "looked for on the usual ports of this machine"
                             : "and what is found on the usual ports");

    } else if (o->nurls == 0) {
        printf("  %-11s%s\n", "Apps", "none given: name them with -u URL, or "
               "let them register");
    }
}


static void
durable_banner_listen(const durable_settings_t *o)
{
    bool  local;

    local = strncmp(o->address, "127.", 4) == 0
            || strcmp(o->address, "::1") == 0
            || strcmp(o->address, "localhost") == 0;

    if (!local) {
        printf("  %-11s%s%s\n", "Listens", o->address,
               o->command == DURABLE_CMD_DEV
               ? ": other machines can reach it, and dev asks for no key"
               : "");

    } else if (o->command == DURABLE_CMD_START) {
        printf("  %-11s%s\n", "Listens", "only to this machine (--host "
               "0.0.0.0 for others)");
    }
}


static void
durable_banner(const durable_setup_t *s)
{
    char                      url[DURABLE_HOST_LEN + 32];
    bool                      dev;
    const durable_settings_t  *o = s->options;

    if (o->json) {
        return;
    }

    dev = o->command == DURABLE_CMD_DEV;
    durable_banner_url(s, url, sizeof(url));

    printf("\ndurable %s %s on %s\n\n", dev ? "dev" : "start",
           DURABLE_VERSION, s->version);
    printf("  %-11s%s\n", "Server", url);

    if (s->dashboard[0] != '\0') {
        printf("  %-11s%s/durable/\n", "Dashboard", url);
    }

    printf("  %-11s%s/e/%s\n", "Events", url, dev ? "dev" : "<event key>");
    durable_banner_listen(o);
    printf("  %-11s%s\n", "State", s->temporary
           ? "temporary, gone at the end (--persist keeps it)" : s->store);
    durable_banner_apps(o);

    printf("\nIn the environment of the app:\n\n");

    if (dev) {
        printf("  INNGEST_DEV=%s\n", url);
    } else {
        printf("  INNGEST_BASE_URL=%s\n"
               "  INNGEST_EVENT_KEY=<event key>\n"
               "  INNGEST_SIGNING_KEY=<signing key>\n", url);
    }

    printf("\nSend an event:\n\n"
           "  curl %s/e/%s -d '{\"name\":\"test/hello\",\"data\":{}}'\n\n"
           "Ctrl-C ends it.\n\n", url, dev ? "dev" : "<event key>");

    fflush(stdout);
}


static int
durable_print_config(const durable_setup_t *s)
{
    int        status;
    dur_buf_t  out;

    dur_buf_init(&out, DURABLE_CONF_MAX);
    durable_nginx_conf(s, &out);

    status = out.failed
             || fwrite(out.data, 1, out.len, stdout) != out.len
             || fflush(stdout) != 0;

    dur_buf_deinit(&out);

    return status;
}


static int
durable_error(const char *text)
{
    size_t  len = strlen(text);

    fprintf(stderr, "durable: %s%s\n", text,
            len > 0 && strchr(".:", text[len - 1]) != NULL ? "" : ".");

    return 1;
}


static int
durable_run(const durable_settings_t *o)
{
    int               status;
    durable_setup_t  *s;

    s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return durable_error("There is not enough memory.");
    }

    durable_supervise_block();

    if (!durable_setup_init(s, o)
        || (!o->print_config && !durable_nginx_write(s)))
    {
        status = durable_error(s->error);

    } else if (o->print_config) {
        status = durable_print_config(s);

    } else {
        status = durable_supervise(s, durable_banner);
    }

    durable_setup_deinit(s);
    free(s);

    return status;
}


static int
durable_main(durable_mode_t mode, int argc, char **argv)
{
    int                status;
    durable_flags_t    flags;
    durable_settings_t  options;

    if (!durable_flags_init(&flags, mode)
        || !durable_flags_argv(&flags, argc - 1, argv + 1))
    {
        (void) durable_error(flags.error);
        durable_flags_deinit(&flags);
        return 2;
    }

    if (flags.value[DURABLE_HELP].n > 0) {
        durable_flags_help(mode);
        durable_flags_deinit(&flags);
        return 0;
    }

    if (!durable_flags_env(&flags)
        || !durable_flags_file(&flags)
        || !durable_options_make(&flags, &options))
    {
        status = durable_error(flags.error);

    } else {
        durable_flags_say_unused(&flags);
        status = durable_run(&options);
    }

    durable_flags_deinit(&flags);

    return status;
}


int
durable_dev_main(int argc, char **argv)
{
    return durable_main(DURABLE_CMD_DEV, argc, argv);
}


int
durable_start_main(int argc, char **argv)
{
    return durable_main(DURABLE_CMD_START, argc, argv);
}
