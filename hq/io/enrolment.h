/* HQ's side of enrolment: issuing codes, and making a box a member of the chain.
 *
 *   issue ──> code (24 h) ──request──> code's row ──MAC──> one op: certificate, first down
 *                                          │               messages, code used, grant kept
 *                                          └── the same request again: the same grant again */
#ifndef TRIB_HQ_ENROLMENT_H
#define TRIB_HQ_ENROLMENT_H

#include "enroll.h"
#include "hqd.h"

#define ENROLL_CERTIFICATE_MAX 256 /* bytes of any store's, signed */
#define ENROLL_CODE_LIFE_MS (24 * INT64_C(3600) * 1000)

/* ---- issuing (enroll_issue.c) ---- */

struct enroll_issue_store { /* NULL fields: as the store has them, or the default */
	const char *code;
	const char *entity; /* "default" */
	const char *time_zone; /* "Asia/Shanghai" */
	int cutoff_min; /* -1: as it is, or 0 */
};

/* Issue a code for a store (store not NULL) or for the relay of a region; older unused codes for
 * the same are void, a store's also those for another region. Makes the row where it is new; name is the region's, or NULL. done gets err 0
 * with the code, which is wiped afterwards; ERR_STATE: enrolled already, or no number is free;
 * ERR_INVALID: the database refused (an unknown time zone); ERR_IO. */
void enroll_issue(struct hqd *h, int32_t region, const char *name,
		  const struct enroll_issue_store *store, const char *reason,
		  void (*done)(void *ctx, int err, const char *message, const char *code,
			       int64_t expires_ms),
		  void *ctx);

/* ---- granting (enroll_grant.c) ---- */

/* A proven request, and whom it is for. Owned by enroll.c; the strings live as long as it. */
struct enroll_subject {
	struct enroll_code code;
	struct enroll_exchange exchange;
	uint8_t code_id[ENROLL_CODE_ID_BYTES];
	uint8_t request_hash[32];
	int32_t region;
	int32_t node; /* 0: the region's relay */
	char store[STORE_CODE_MAX];
	char *entity, *time_zone;
	int32_t cutoff_min;
};

struct enroll_op;

/* Enrol in one transaction. done: err 0 with the sealed grant; a refusal word in `refused` when
 * the state forbids it (NULL else); errors as in book_op.done. s must live until then. */
void enroll_grant(struct hqd *h, const struct enroll_subject *s,
		  void (*done)(void *ctx, int err, const char *refused,
			       const ProtobufCBinaryData *sealed),
		  void *ctx);

/* The payload of a certificate, in ret[0..cap). Pure but for its inputs. */
size_t enroll_certificate_pack(const struct hqd *h, const struct enroll_subject *s,
			       uint32_t incarnation, int64_t issued_ms, uint8_t *ret, size_t cap);

#endif
