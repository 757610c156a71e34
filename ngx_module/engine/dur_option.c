/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_option.h"


dur_rc_t
dur_option_load(dur_str_t config, dur_arena_t *arena, dur_option_t *option)
{
    (void) config;
    (void) arena;

    memset(option, 0, sizeof(*option));

    return DUR_OK;
}


void
dur_option_free(dur_option_t *option)
{
    memset(option, 0, sizeof(*option));
}
