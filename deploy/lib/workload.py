"""Operations of made-up members, the same for the same seed, as rows for trib-replay."""

import random

HEADER = "order_no,store,card_no,at,kind,amount,of_order\n"
TOP_UPS = (5000, 10000, 10000, 20000, 30000, 50000)


class Workload:
    """Members with a home store each, who top up, spend, bring back, and now and then want more
    than they have or than they paid.

    Counts what it meant: `wrong` operations must be refused, all others must not."""

    def __init__(self, seed, stores):
        self.random = random.Random(seed)
        self.stores = stores
        self.members = []  # [card_no, home, balance, refundable sales]
        self.serial = 0
        self.wrong = 0

    def rows(self, n):
        """n lines of CSV, after the header."""
        yield HEADER
        for at in range(n):
            yield f"{','.join(map(str, self._row(at)))}\n"

    def _row(self, at):
        self.serial += 1
        order = f"D{self.serial:07d}"
        when = f"2026-01-{1 + at // 86400 % 28:02d}T{at // 3600 % 24:02d}:" \
               f"{at // 60 % 60:02d}:{at % 60:02d}Z"
        if not self.members or self.random.random() < 0.08:
            self.members.append([f"D{len(self.members) + 1:06d}",
                                 self.random.choice(self.stores), 0, []])
            member = self.members[-1]
        else:
            member = self.random.choice(self.members)
        kind, amount, of = self._operation(order, member)
        return order, member[1], member[0], when, kind, amount, of

    def _operation(self, order, member):
        """(kind, amount, of_order) of the member's next operation, with its effect noted."""
        dice = self.random.random()
        if dice < 0.02:
            self.wrong += 1
            return "spend", member[2] + self.random.randint(1, 5000), ""
        if dice < 0.03 and member[3]:
            self.wrong += 1
            sale, rest = self.random.choice(member[3])
            return "refund", rest + self.random.randint(1, 500), sale
        if dice < 0.08 and member[3]:
            sale, rest = member[3].pop(self.random.randrange(len(member[3])))
            amount = self.random.randint(1, rest)
            member[2] += amount
            if amount < rest:
                member[3].append((sale, rest - amount))
            return "refund", amount, sale
        if (dice < 0.75 and member[2] > 0) or member[2] > 60000:
            amount = self.random.randint(1, min(member[2], 8000))
            member[2] -= amount
            member[3].append((order, amount))
            return "spend", amount, ""
        paid = self.random.choice(TOP_UPS)
        member[2] += paid
        return "topup", paid, ""
