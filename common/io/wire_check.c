#include "wire_check.h"

#include <stdbool.h>
#include <string.h>

struct cursor {
	const uint8_t *p;
	const uint8_t *end;
};

struct field {
	uint32_t number;
	uint32_t wire_type;
	uint64_t value; /* of a varint */
	const uint8_t *data; /* of length-prefixed bytes */
	size_t len;
};

enum {
	WIRE_VARINT = 0,
	WIRE_64BIT = 1,
	WIRE_LENGTH = 2,
	WIRE_32BIT = 5
};

static int take_varint(struct cursor *c, uint64_t *ret)
{
	uint64_t v = 0;
	unsigned shift;

	for (shift = 0; shift < 70 && c->p < c->end; shift += 7) {
		uint8_t b = *c->p++;

		if (shift == 63 && b > 1)
			return ERR_INVALID;
		v |= (uint64_t)(b & 0x7f) << shift;
		if ((b & 0x80) == 0) {
			*ret = v;
			return 0;
		}
	}
	return ERR_INVALID;
}

static int take_field(struct cursor *c, struct field *f)
{
	uint64_t tag;

	if (take_varint(c, &tag) != 0 || tag > UINT32_MAX || tag >> 3 == 0)
		return ERR_INVALID;
	*f = (struct field){ .number = (uint32_t)(tag >> 3), .wire_type = (uint32_t)(tag & 7) };
	switch (f->wire_type) {
	case WIRE_VARINT:
		return take_varint(c, &f->value);
	case WIRE_64BIT:
		f->len = 8;
		break;
	case WIRE_32BIT:
		f->len = 4;
		break;
	case WIRE_LENGTH:
		if (take_varint(c, &f->value) != 0 || f->value > SIZE_MAX)
			return ERR_INVALID;
		f->len = (size_t)f->value;
		break;
	default: /* groups */
		return ERR_INVALID;
	}
	if (f->len > (size_t)(c->end - c->p))
		return ERR_INVALID;
	f->data = c->p;
	c->p += f->len;
	return 0;
}

static bool fits_int32(uint64_t v)
{
	return v <= INT32_MAX || v >= (uint64_t)(int64_t)INT32_MIN;
}

/* The value of a known field is one of its type. */
static int check_value(const ProtobufCFieldDescriptor *d, const struct field *f)
{
	bool ok = false;

	switch (d->type) {
	case PROTOBUF_C_TYPE_INT32:
		ok = f->wire_type == WIRE_VARINT && fits_int32(f->value);
		break;
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_UINT32:
		ok = f->wire_type == WIRE_VARINT && f->value <= UINT32_MAX;
		break;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_UINT64:
		ok = f->wire_type == WIRE_VARINT;
		break;
	case PROTOBUF_C_TYPE_BOOL:
		ok = f->wire_type == WIRE_VARINT && f->value <= 1;
		break;
	case PROTOBUF_C_TYPE_ENUM:
		ok = f->wire_type == WIRE_VARINT && f->value <= INT32_MAX &&
		     protobuf_c_enum_descriptor_get_value(d->descriptor, (int)f->value) != NULL;
		break;
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		ok = f->wire_type == WIRE_32BIT;
		break;
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		ok = f->wire_type == WIRE_64BIT;
		break;
	case PROTOBUF_C_TYPE_STRING:
		ok = f->wire_type == WIRE_LENGTH && memchr(f->data, '\0', f->len) == NULL;
		break;
	case PROTOBUF_C_TYPE_BYTES:
		ok = f->wire_type == WIRE_LENGTH;
		break;
	case PROTOBUF_C_TYPE_MESSAGE:
		return f->wire_type == WIRE_LENGTH ? wire_check(d->descriptor, f->data, f->len) :
						     ERR_INVALID;
	}
	return ok ? 0 : ERR_INVALID;
}

int wire_check(const ProtobufCMessageDescriptor *type, const void *data, size_t len)
{
	struct cursor c = { data, (const uint8_t *)data + len };
	uint64_t seen = 0;
	bool has_oneof = false;

	while (c.p < c.end) {
		const ProtobufCFieldDescriptor *d;
		struct field f;
		uint64_t bit;

		if (take_field(&c, &f) != 0)
			return ERR_INVALID;
		d = protobuf_c_message_descriptor_get_field(type, f.number);
		if (d == NULL)
			continue;
		bit = UINT64_C(1) << (d - type->fields);
		if (d->label != PROTOBUF_C_LABEL_REPEATED && (seen & bit) != 0)
			return ERR_INVALID;
		seen |= bit;
		if ((d->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
			if (has_oneof)
				return ERR_INVALID;
			has_oneof = true;
		}
		if (check_value(d, &f) != 0)
			return ERR_INVALID;
	}
	return 0;
}

int wire_find_uint32(const void *data, size_t len, uint32_t number, uint32_t *ret_value)
{
	struct cursor c = { data, (const uint8_t *)data + len };
	bool is_found = false;
	uint32_t value = 0;

	while (c.p < c.end) {
		struct field f;

		if (take_field(&c, &f) != 0)
			return ERR_INVALID;
		if (f.number != number)
			continue;
		if (is_found || f.wire_type != WIRE_VARINT || f.value > UINT32_MAX)
			return ERR_INVALID;
		value = (uint32_t)f.value;
		is_found = true;
	}
	if (!is_found)
		return ERR_INVALID;
	*ret_value = value;
	return 0;
}
