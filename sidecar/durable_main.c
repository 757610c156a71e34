/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The `durable` program: finds the subcommand and hands over.
 */

#include "durable.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>


static int durable_version_main(int argc, char **argv);
static int durable_help_main(int argc, char **argv);


typedef struct {
    const char   *name;
    int         (*main)(int argc, char **argv);
    const char   *help;
} durable_command_t;


static const durable_command_t  durable_commands[] = {
    { "dev", durable_dev_main,
      "run nginx and the sidecar for development, without keys" },
    { "start", durable_start_main,
      "run nginx and the sidecar for production" },
    { "sidecar", durable_sidecar_main,
      "execute the calls of an nginx that runs elsewhere" },
    { "version", durable_version_main, "print the version" },
    { "help", durable_help_main, "print this text" },
    { NULL, NULL, NULL }
};


static void
durable_usage(FILE *out)
{
    fprintf(out, "usage: durable COMMAND [options]\n\n");

    for (const durable_command_t *c = durable_commands; c->name; c++) {
        fprintf(out, "  %-8s  %s\n", c->name, c->help);
    }

    fprintf(out, "\n`durable COMMAND --help` lists the command's options.\n");
}


static int
durable_version_main(int argc, char **argv)
{
    (void) argc;
    (void) argv;

    printf("durable %s (%s)\n", DURABLE_VERSION, curl_version());

    return 0;
}


static int
durable_help_main(int argc, char **argv)
{
    (void) argc;
    (void) argv;

    durable_usage(stdout);

    return 0;
}


int
main(int argc, char **argv)
{
    const char  *name;

    if (argc < 2) {
        durable_usage(stderr);
        return 2;
    }

    name = argv[1];

    if (strcmp(name, "--version") == 0 || strcmp(name, "-v") == 0) {
        name = "version";

    } else if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        name = "help";
    }

    for (const durable_command_t *c = durable_commands; c->name; c++) {
        if (strcmp(name, c->name) == 0) {
            return c->main(argc - 1, argv + 1);
        }
    }

    fprintf(stderr, "durable: there is no command \"%s\"\n\n", argv[1]);
    durable_usage(stderr);

    return 2;
}
