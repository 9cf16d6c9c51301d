/* Fingerprints are stored for ever: what they are of, and that they stay what they are. */
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "fingerprint.h"

static void begin_sale(struct fingerprint *f)
{
	fingerprint_init(f, AGENT_SALE);
	fingerprint_text(f, NULL, "order_no", "A-1", NULL);
	fingerprint_text(f, NULL, "card_no", "6001", NULL);
	fingerprint_int(f, NULL, "amount", 12345, 0);
}

static void expect(struct fingerprint *f, const char *hex)
{
	uint8_t bytes[AGENT_FINGERPRINT_BYTES];
	char text[2 * AGENT_FINGERPRINT_BYTES + 1];

	fingerprint_final(f, bytes);
	sodium_bin2hex(text, sizeof(text), bytes, sizeof(bytes));
	assert_string_equal(text, hex);
}

#define SALE "5d29ae6888a06b5ac715f5b6aeb0b4d8"

static void they_never_change(void **state)
{
	struct fingerprint f;
	(void)state;

	begin_sale(&f);
	expect(&f, SALE);
	fingerprint_init(&f, AGENT_REFUND);
	fingerprint_text(&f, NULL, "order_no", "R-1", NULL);
	fingerprint_text(&f, "of", "store", "0107", NULL);
	fingerprint_text(&f, "of", "order_no", "A-1", NULL);
	fingerprint_int(&f, NULL, "amount", 500, 0);
	expect(&f, "54d2cad55abbef9b5857ba7cc0d3855d");
	fingerprint_init(&f, AGENT_OPEN_CARD);
	fingerprint_text(&f, NULL, "card_no", "6001", NULL);
	expect(&f, "d44a0b4ab9236b7588b9d86f4721b9bb");
}

static void fields_absent_or_at_their_default_do_not_count(void **state)
{
	struct fingerprint f;
	(void)state;

	begin_sale(&f); /* a version that knows more fields */
	fingerprint_text(&f, NULL, "coupon", NULL, NULL);
	fingerprint_text(&f, NULL, "channel", "till", "till");
	fingerprint_int(&f, NULL, "allow_partial", 0, 0);
	fingerprint_int(&f, NULL, "expected_payable", -1, -1);
	expect(&f, SALE);
}

static void the_order_of_asking_does_not_count(void **state)
{
	struct fingerprint f;
	(void)state;

	fingerprint_init(&f, AGENT_SALE);
	fingerprint_int(&f, NULL, "amount", 12345, 0);
	fingerprint_text(&f, NULL, "card_no", "6001", NULL);
	fingerprint_text(&f, NULL, "order_no", "A-1", NULL);
	expect(&f, SALE);
}

static void finish_other(struct fingerprint *f)
{
	uint8_t bytes[AGENT_FINGERPRINT_BYTES];
	char text[2 * AGENT_FINGERPRINT_BYTES + 1];

	fingerprint_final(f, bytes);
	sodium_bin2hex(text, sizeof(text), bytes, sizeof(bytes));
	assert_string_not_equal(text, SALE);
}

static void every_field_counts_under_its_name(void **state)
{
	struct fingerprint f;
	(void)state;

	begin_sale(&f);
	fingerprint_int(&f, NULL, "allow_partial", 1, 0);
	finish_other(&f);
	begin_sale(&f);
	f.verb = AGENT_TOP_UP;
	finish_other(&f);
	begin_sale(&f);
	fingerprint_text(&f, NULL, "operator", "", NULL); /* present, though empty */
	finish_other(&f);
	fingerprint_init(&f, AGENT_SALE);
	fingerprint_text(&f, NULL, "order_no", "6001", NULL);
	fingerprint_text(&f, NULL, "card_no", "A-1", NULL);
	fingerprint_int(&f, NULL, "amount", 12345, 0);
	finish_other(&f);
	fingerprint_init(&f, AGENT_SALE);
	fingerprint_text(&f, NULL, "order_no", "A-1", NULL);
	fingerprint_text(&f, "of", "card_no", "6001", NULL);
	fingerprint_int(&f, NULL, "amount", 12345, 0);
	finish_other(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(they_never_change),
		cmocka_unit_test(fields_absent_or_at_their_default_do_not_count),
		cmocka_unit_test(the_order_of_asking_does_not_count),
		cmocka_unit_test(every_field_counts_under_its_name),
	};

	return sodium_init() < 0 ? 1 :
				   cmocka_run_group_tests_name("fingerprint", tests, NULL, NULL);
}
