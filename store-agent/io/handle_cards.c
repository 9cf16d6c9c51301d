#include <stdio.h>

#include "routes.h"
#include "store.h"

static void read_phone(struct command_reader *r, struct body_scope *s)
{
	static const struct body_text bounds = { MEMBER_PHONE_MIN, MEMBER_PHONE_MAX,
						 BODY_PRINTABLE };
	const char *phone = body_text(s, "phone", BODY_OPTIONAL, &bounds);

	if (phone != NULL && member_phone_parse(phone, r->member.phone) < 0)
		body_fail(s, "phone", CODE_BAD_VALUE, "must be digits, with '+' in front or not");
}

static void read_birthday(struct command_reader *r, struct body_scope *s)
{
	static const struct body_text bounds = { MEMBER_BIRTHDAY_BYTES, MEMBER_BIRTHDAY_BYTES,
						 BODY_PRINTABLE };
	const char *birthday = body_text(s, "birthday", BODY_OPTIONAL, &bounds);

	if (birthday == NULL)
		return;
	if (!member_birthday_is_valid(birthday))
		body_fail(s, "birthday", CODE_BAD_VALUE, "must be a day, yyyy-mm-dd, from 1900 on");
	else
		snprintf(r->member.birthday, sizeof(r->member.birthday), "%s", birthday);
}

static void read_member(struct command_reader *r)
{
	static const struct body_text bounds = { 1, MEMBER_NAME_MAX, BODY_ANY };
	struct body_scope s;
	const char *name;

	if (!body_object(&r->body.top, "member", BODY_OPTIONAL, &s))
		return;
	name = body_text(&s, "name", BODY_OPTIONAL, &bounds);
	if (name != NULL)
		snprintf(r->member.name, sizeof(r->member.name), "%s", name);
	read_phone(r, &s);
	read_birthday(r, &s);
	body_end(&s);
	r->has_member = true;
	if (r->member.name[0] == '\0' && r->member.phone[0] == '\0' &&
	    r->member.birthday[0] == '\0')
		body_fail(&r->body.top, "member", CODE_BAD_VALUE,
			  "must have a name, a phone or a birthday");
}

/* A field of the member goes into the fingerprint keyed: that goes into the entry, where a plain hash
 * of a phone number could be searched through. */
static void print_field(struct command_reader *r, size_t i, const char *name, const char *text)
{
	if (text[0] == '\0')
		return;
	member_print(&r->call.store->member_keys, name, text, r->member_prints[i]);
	fingerprint_text(&r->print, "member", name, r->member_prints[i], NULL);
}

static void print_member(struct command_reader *r)
{
	struct store *s = r->call.store;

	if (member_keys_need(&s->member_keys, s->data_dir) < 0) {
		body_fail(&r->body.top, "member", CODE_INTERNAL,
			  "the key that members are sealed with cannot be read or made");
		return;
	}
	print_field(r, 0, "name", r->member.name);
	print_field(r, 1, "phone", r->member.phone);
	print_field(r, 2, "birthday", r->member.birthday);
}

void handle_cards(struct call *call)
{
	static const struct body_text card_no = { 1, CARD_NO_MAX, BODY_PRINTABLE };
	static const struct body_text type = { 1, ACCOUNT_TYPE_MAX - 1, BODY_NAME };
	struct command_reader *r = command_begin(call, AGENT_OPEN_CARD);
	struct body_scope *top = &r->body.top;

	r->command.card_no = command_text(r, top, "card_no", BODY_REQUIRED, &card_no);
	r->command.open.account_type = body_text(top, "account_type", BODY_OPTIONAL, &type);
	fingerprint_text(&r->print, NULL, "account_type", r->command.open.account_type, "default");
	read_member(r);
	command_pin(r);
	if (r->has_member && body_result(&r->body) == CODE_OK)
		print_member(r);
	command_finish(r);
}
