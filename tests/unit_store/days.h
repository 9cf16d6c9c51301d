/* A shop with the calendar in the test's hand. */
#ifndef TRIB_TEST_DAYS_H
#define TRIB_TEST_DAYS_H

#include "shop.h"

#define TODAY 20000 /* days since 1970-01-01 */

/* cmocka's setup, as shop_setup: at noon of TODAY. */
int days_setup(void **state);

/* The store's wall clock: minutes after that day's midnight. Forward it goes as time passes. */
void days_set_clock(struct shop *s, int32_t day, int minutes);

/* A sale on card 4001; its seq. */
uint64_t days_sell(struct shop *s, const char *order_no, int64_t amount);

/* Close a day that lets itself be closed; seq of the seal. */
uint64_t days_close(struct shop *s, int32_t day);

/* Differences that verifying finds: 1 for each of a seal or a business day's, 1000 for each other. */
int days_verify(struct shop *s);

#endif
