/* What each command does. All return an enum exit_code and tell their own errors. */
#ifndef TRIB_CTL_COMMANDS_H
#define TRIB_CTL_COMMANDS_H

#include "args.h"

int db_migrate(struct ctl *ctl, const struct args *args);
int store_list(struct ctl *ctl, const struct args *args);
int store_show(struct ctl *ctl, const struct args *args);
int store_enroll(struct ctl *ctl, const struct args *args);
int region_list(struct ctl *ctl, const struct args *args);
int region_show(struct ctl *ctl, const struct args *args);
int region_enroll(struct ctl *ctl, const struct args *args);
int lane_pair(struct ctl *ctl, const struct args *args);
int lane_list(struct ctl *ctl, const struct args *args);
int lane_revoke(struct ctl *ctl, const struct args *args);
int account_show(struct ctl *ctl, const struct args *args);
int journal_show(struct ctl *ctl, const struct args *args);
int journal_verify(struct ctl *ctl, const struct args *args);
int books_check(struct ctl *ctl, const struct args *args);
int rules_check(struct ctl *ctl, const struct args *args);
int rules_publish(struct ctl *ctl, const struct args *args);
int rules_show(struct ctl *ctl, const struct args *args);
int version_show(struct ctl *ctl, const struct args *args);

#endif
