#include "fold_kinds.h"

#include "ids.h"

int fold_reversal(struct folding *f, const Trib__V1__Reversal *b)
{
	if (b->of_seq < 1 || b->of_seq > LOT_SEQ_MAX || b->of_incarnation > INCARNATION_MAX)
		return fold_refuse(f, "the undone entry's number is out of bounds");
	if (!fold_is_earlier(f, b->of_incarnation, b->of_seq))
		return fold_refuse(f, "the undone entry is later than its reversal");
	f->is_undo = true;
	f->at_incarnation = b->of_incarnation;
	f->at_seq = b->of_seq;
	switch (b->what_case) {
	case TRIB__V1__REVERSAL__WHAT_REFUND:
		return fold_refund(f, b->refund);
	case TRIB__V1__REVERSAL__WHAT_REFUND_TOP_UP:
		return fold_refund_top_up(f, b->refund_top_up);
	case TRIB__V1__REVERSAL__WHAT_POINTS_REDEEMED:
		return fold_redemption(f, b->points_redeemed);
	case TRIB__V1__REVERSAL__WHAT__NOT_SET:
	case _TRIB__V1__REVERSAL__WHAT__CASE_IS_INT_SIZE:
		break;
	}
	return fold_refuse(f, "a reversal of nothing");
}
