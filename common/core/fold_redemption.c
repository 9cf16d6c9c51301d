#include "fold_kinds.h"

#include "money.h"

int fold_redemption(struct folding *f, const Trib__V1__PointsRedeemed *b)
{
	if (!money_is_amount(b->points, 1))
		return fold_refuse(f, "the points redeemed are out of bounds");
	if (f->n_value != 0)
		return fold_refuse(f, "a redemption moves value");
	if (!f->is_undo && f->e->points_owed != 0)
		return fold_refuse(f, "points redeemed become debt");
	return fold_points_taken(f, f->is_undo ? TOTAL_REVERSAL_REDEMPTION : TOTAL_REDEMPTION,
				 b->points);
}
