/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REMUS_TEXT_H
#define REMUS_TEXT_H

/**
 * Makes `text` one line of UTF-8 that logs, JSON and terminals take as it is: control characters
 * become blanks, what is no UTF-8 (a name from outside, a character cut by a short buffer) becomes
 * '?'. Never longer than before.
 */
void text_clean(char *text);

#endif
