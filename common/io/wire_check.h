/* A strict reading of protobuf bytes, for what protobuf-c lets pass. */
#ifndef TRIB_IO_WIRE_CHECK_H
#define TRIB_IO_WIRE_CHECK_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

/* ERR_INVALID unless data[0..len) is a message of this type in which no singular field stands
 * twice, at most one member of its oneof is set, known fields have their wire type and fit their
 * type, enums have known values and strings no NUL; the same for messages inside. Unknown fields
 * are passed over. Missing required fields are left to protobuf-c. Messages must not be recursive,
 * have at most 64 fields and one oneof. */
int MUST_CHECK wire_check(const ProtobufCMessageDescriptor *type, const void *data, size_t len);

/* Value of the varint field `number` of a message whose type is not known (a later version).
 * ERR_INVALID when it is absent, stands twice, or the outermost fields are not sound. */
int MUST_CHECK wire_find_uint32(const void *data, size_t len, uint32_t number, uint32_t *ret_value);

#endif
